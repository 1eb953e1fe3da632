"""The whole demo company from one seed: what each of its seven systems has on file, and the truth behind it.

Belongs here: putting people, lives, happenings and systems together. Does not belong here: any chance or field.
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from cx_orchestration.demo.causes import PLANTED
from cx_orchestration.demo.happenings import Happenings, Period, happen
from cx_orchestration.demo.lives import live
from cx_orchestration.demo.names import OFFICES
from cx_orchestration.demo.people import Texts, make_people, random_ids
from cx_orchestration.demo.services.discourse import discourse_account
from cx_orchestration.demo.services.forms import sent_forms
from cx_orchestration.demo.services.mailchimp import mailchimp_account
from cx_orchestration.demo.services.phones import fill_gaps, pass_numbers_on
from cx_orchestration.demo.services.salesforce import salesforce_account
from cx_orchestration.demo.services.segment import segment_account
from cx_orchestration.demo.services.stripe import stripe_account
from cx_orchestration.demo.services.survey import survey_account
from cx_orchestration.demo.services.writing import Account, Records, Sources
from cx_orchestration.demo.services.zendesk import zendesk_account
from cx_orchestration.demo.truth import Truth
from cx_orchestration.model.days import DayRange

NAME = "Morrow Coffee"
TIME_ZONE = ZoneInfo("America/Chicago")
START = dt.date(2026, 6, 1)
SEED = 7

_OFFICE_SIZE = 10


@dataclass(frozen=True)
class Company:
    """One generated company.

    ``records`` has what each service has on file, by service and stream. ``outcomes`` has one row a person: what
    became of each, had the period never ended.
    """

    seed: int
    customers: int
    days: DayRange
    null: bool
    records: dict[str, dict[str, Records]]
    outcomes: pd.DataFrame
    truth: Truth

    @property
    def size(self) -> int:
        """How many records all services have on file together."""
        return sum(len(records) for streams in self.records.values() for records in streams.values())


def generate(
    seed: int = SEED, customers: int = 5_000, days: int = 90, *, null: bool = False, start: dt.date = START
) -> Company:
    """The company of ``customers`` people over ``days`` days from ``start``, the same for the same arguments.

    With ``null`` nothing is planted: no segment and no mishap has anything to do with what people do, while people,
    volumes and rates are those of the company that has the same seed.
    """
    range_ = DayRange(start, start + dt.timedelta(days=days - 1))
    period = period_of(range_)
    rngs = dict(zip(_PARTS, map(np.random.default_rng, np.random.SeedSequence(seed).spawn(len(_PARTS))), strict=True))
    people = make_people(customers, rngs["people"])
    lives = live(people, period.days, rngs["lives"], null=null)
    happenings = happen(people, lives, period, rngs["happenings"])
    sources = Sources(
        people=pass_numbers_on(people, happenings, rngs["phones"]),
        happenings=happenings,
        contact_ids=_contact_ids(happenings, customers, rngs["sources"]),
        office_emails=_office_emails(happenings, customers, rngs["sources"]),
    )
    accounts = {
        "salesforce": salesforce_account(sources, period.end, rngs["salesforce"]),
        "mailchimp": mailchimp_account(sources, rngs["mailchimp"]),
        "zendesk": zendesk_account(sources, rngs["zendesk"]),
        "stripe": stripe_account(sources, rngs["stripe"]),
        "discourse": discourse_account(sources, rngs["discourse"]),
    }
    accounts["survey"] = survey_account(sources, accounts["zendesk"], rngs["survey"])
    forms = sent_forms(sources, accounts, rngs["forms"])
    accounts["segment"] = segment_account(sources, forms, period.end, rngs["segment"])
    _fill_phones(accounts, rngs["phones"])
    who = [(service, *pair) for service, account in accounts.items() for pair in account.who]
    return Company(
        seed=seed,
        customers=customers,
        days=range_,
        null=null,
        records={service: account.streams for service, account in accounts.items()},
        outcomes=lives.outcomes(people),
        truth=Truth(
            who=pd.DataFrame(who, columns=["service", "entity", "person"]),
            planted=() if null else PLANTED,
            people=customers,
            seed=seed,
            null=null,
        ),
    )


#: Every part draws from a generator of its own, so that a change in one leaves the others as they are.
_PARTS = (
    *("people", "lives", "happenings", "sources"),
    *("salesforce", "mailchimp", "zendesk", "stripe", "segment", "discourse", "survey"),
    *("forms", "phones"),
)


def period_of(days: DayRange) -> Period:
    """From the first midnight to the last, in the company's time zone."""
    first, last = days.bounds(TIME_ZONE)
    return Period(int(first.timestamp()) * 1_000_000, int(last.timestamp()) * 1_000_000)


def _fill_phones(accounts: dict[str, Account], rng: np.random.Generator) -> None:
    """The CRM's forms ask for a number; the desk sees that of the call centre when it passes a withheld one on."""
    for stream in ("contacts", "leads"):
        fill_gaps(accounts["salesforce"].streams[stream], "Phone", rng, call_centre=0.15, made_up=0.25)
    fill_gaps(accounts["zendesk"].streams["users"], "phone", rng, call_centre=0.1, made_up=0.0)


def _contact_ids(happenings: Happenings, customers: int, rng: np.random.Generator) -> Texts:
    ids = np.full(customers, "", dtype=object)
    made = happenings.contacts["person"].to_numpy()
    ids[made] = random_ids(rng, len(made), 15, prefix="003")
    return ids


def _office_emails(happenings: Happenings, customers: int, rng: np.random.Generator) -> Texts:
    """About one contact in forty orders for an office and leaves its ``info@`` address, which its colleagues share."""
    emails = np.full(customers, "", dtype=object)
    made = rng.permutation(happenings.contacts["person"].to_numpy())
    offices = min(max(1, len(made) // 400), len(OFFICES)) if len(made) >= 3 * _OFFICE_SIZE else 0
    for number in range(offices):
        emails[made[number * _OFFICE_SIZE : (number + 1) * _OFFICE_SIZE]] = f"info@{OFFICES[number]}.example"
    return emails
