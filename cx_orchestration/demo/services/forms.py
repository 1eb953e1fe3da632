"""Forms on the shop's own pages: the address that somebody typed, signed in or not, and the browser it was typed in.

Belongs here: which forms were sent from where. Does not belong here: what the system behind a form keeps of them, or
how analytics writes down that it saw the address (``segment``).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cx_orchestration.demo.services.writing import Account, Sources

_LEADS_BY_FORM = 0.5  # the others met sales somewhere else
_BLOCKED = 0.05  # browsers that keep analytics from seeing forms


def sent_forms(sources: Sources, accounts: Mapping[str, Account], rng: np.random.Generator) -> pd.DataFrame:
    """Each form: person, at, slot (which of their devices), email, signed_in (who has an account is), in this order.

    The newsletter's is embedded in the shop's pages, and so are "talk to us" of sales and the desk's form and chat; the
    community joins people on pages of the shop's domain. Each has the address that its system has, mistakes and all.
    """
    happenings = sources.happenings
    addresses = {service: _addresses(account) for service, account in accounts.items()}
    tickets, leads = happenings.tickets, happenings.leads
    parts = [
        _sent(happenings.newsletters, addresses["mailchimp"]),
        _sent(leads[rng.random(len(leads)) < _LEADS_BY_FORM], addresses["salesforce"]),
        _sent(happenings.members, addresses["discourse"]),
        _sent(tickets[tickets["channel"].isin(["web", "chat"])], addresses["zendesk"]),
    ]
    forms = pd.concat(parts, ignore_index=True)
    signed_up = happenings.web[happenings.web["kind"] == "signup.completed"].groupby("person")["at"].min()
    seen = rng.random(len(forms)) >= _BLOCKED
    forms["signed_in"] = forms["at"] >= forms["person"].map(signed_up)
    return forms[seen].sort_values(["at", "person"], ignore_index=True, kind="stable")


def _sent(made: pd.DataFrame, addresses: dict[int, str]) -> pd.DataFrame:
    forms = made[["person", "at", "slot"]].assign(email=made["person"].map(addresses))
    return forms[forms["email"].notna()]


def _addresses(account: Account) -> dict[int, str]:
    """The address that a system has of each person; of a person with several records that of the first."""
    person = dict(account.who)
    found: dict[int, str] = {}
    for stream, field, key in (("members", "email_address", "id"), ("leads", "Email", "Id"), ("users", "email", "id")):
        for record in account.streams[stream].records if stream in account.streams else []:
            if record[field]:
                found.setdefault(person[str(record[key])], record[field])
    return found
