"""The survey tool: answers to short questions sent by e-mail.

It knows of a person the address, and the variables that came with the link: survey tools hand on with an answer what
whoever sent the link put into it (SurveyMonkey ``custom_variables``, Typeform ``hidden``). The desk, which asks about
its tickets, puts in its requester, and the shop the account.
"""

import numpy as np

from cx_orchestration.demo.people import random_uuids
from cx_orchestration.demo.services.writing import Account, Sources, email_used, in_order, iso

_BY_HAND = 0.1  # links that somebody copied into a mail have no variables


def survey_account(sources: Sources, desk: Account, rng: np.random.Generator) -> Account:
    """Stream ``responses``: recommendation (0 to 10), satisfaction (1 to 5) and effort (1 to 7)."""
    given = sources.happenings.responses
    person = given["person"].to_numpy()
    emails = email_used(sources, person, rng, second=0.12, typos=0.0, capitals=0.0)
    answered = iso(given["at"].to_numpy(), "s", "+00:00")
    ids = random_uuids(rng, len(given))
    variables = _variables(sources, desk, rng)
    responses = [
        {
            "id": key,
            "survey": {"kind": kind},
            "respondent": {"email": email},
            "custom_variables": about,
            "score": score,
            "submitted_at": at,
        }
        for key, kind, email, about, score, at in zip(
            ids,
            given["kind"].tolist(),
            emails,
            variables,
            given["score"].tolist(),
            answered,
            strict=True,
        )
    ]
    who = dict(zip(emails, person.tolist(), strict=True))
    return Account({"responses": in_order(given["at"].to_numpy(), responses, "s")}, list(who.items()))


def _variables(sources: Sources, desk: Account, rng: np.random.Generator) -> list[dict[str, str]]:
    """What the link of each answer had in it."""
    person_of = dict(desk.who)
    users = desk.streams["users"].records
    requesters = {(person_of[str(user["id"])], user["email"] is None): str(user["id"]) for user in users}
    given = sources.happenings.responses
    people = zip(given["person"].tolist(), given["kind"].tolist(), given["calls"].tolist(), strict=True)
    found = [
        {"requester": requesters[person, calls]} if kind == "csat" else {"login": sources.people.login[person]}
        for person, kind, calls in people
    ]
    by_hand = (rng.random(len(given)) < _BY_HAND).tolist()
    return [{} if copied else about for about, copied in zip(found, by_hand, strict=True)]
