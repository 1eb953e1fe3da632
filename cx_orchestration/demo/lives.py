"""How far each person gets and when: one array a step, in days since the company's first midnight.

Belongs here: chances, durations and outcomes. Does not belong here: what a system records of them (``happenings``).
Durations, devices and shares do not depend on anything else; only the rates in ``causes`` do. A step's duration is
drawn for everyone who reaches the step, also for those who go no further, and mishaps and tickets fall at a share of
it: meeting one says nothing about what comes next.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cx_orchestration.demo import causes
from cx_orchestration.demo.causes import Causes, rate
from cx_orchestration.demo.people import People, Texts, pick

Days: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

MINUTE = 1 / 1440
RENEWALS = 5

#: Median and bounds, in days, of how long a person rests at a step before the next one.
_RESTS = {
    "aware": (0.4, 6 * MINUTE, 10.0),
    "evaluating": (0.3, 6 * MINUTE, 8.0),
    "registered": (0.5, 6 * MINUTE, 8.0),
    "checkout": (12 * MINUTE, 4 * MINUTE, 2.0),
}
_FIRST_CONTACT = {"page": 0.83, "newsletter": 0.08, "lead": 0.05, "community": 0.04}
_GOES_ON = {"aware": 0.72, "evaluating": 0.66, "registered": 0.78, "purchased": 0.86, "setup": 0.86}
_SKIPS_EVALUATING = 0.06
_SKIPS_SETUP = 0.04
_RENEWS_AGAIN = 0.82
_REFERS = 0.14
_HOURS = np.array([1, 1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 7, 8, 7, 6, 6, 7, 8, 9, 10, 9, 7, 4, 2], dtype=float)


@dataclass(frozen=True)
class Lives:
    """The journeys of all people, not cut at the end of the period.

    ``at`` has the day each step was reached, NaN where it was not; ``rest`` how long people rest there; ``renewals`` a
    column for each renewal; ``slot`` which of their two devices people use at a step. ``amount`` is what the first
    purchase costs and ``renewal_amount`` what each renewal does, in cents.
    """

    at: dict[str, Days]
    rest: dict[str, Days]
    slot: dict[str, NDArray[np.int64]]
    first_contact: Texts
    product: Texts
    payment_method: Texts
    renewals: Days
    delayed: Flags
    refunded: Flags
    amount: NDArray[np.int64]
    renewal_amount: NDArray[np.int64]
    asks: dict[str, Flags]
    causes: Causes

    def device(self, people: People, step: str) -> Texts:
        """The device each person uses at a step."""
        return people.devices[np.arange(len(people)), self.slot[step]]

    def reached(self, step: str) -> Flags:
        return ~np.isnan(self.at[step])

    def outcomes(self, people: People) -> pd.DataFrame:
        """One row a person: what can be seen of them, and what became of them had the period never ended."""
        paid = self.reached("purchased")
        renewed = (~np.isnan(self.renewals)).sum(axis=1)
        return pd.DataFrame(
            {
                "acquisition": people.acquisition,
                "region": people.region,
                "plan": people.plan,
                "device": self.device(people, "checkout"),
                "product": self.product,
                "checked_out": self.reached("checkout"),
                "paid": paid,
                "delayed": self.delayed & paid,
                "refunded": self.refunded & paid,
                "set_up": self.reached("setup"),
                "asked_during_setup": self.asks["setup"] & self.reached("setup"),
                "asked_after_purchase": self.asks["purchased"] & paid,
                "asked": sum(asks.astype(int) * self.reached(step) for step, asks in self.asks.items()),
                "in_use": self.reached("in_use"),
                "renewed": renewed > 0,
                "revenue": (paid * self.amount + renewed * self.renewal_amount) / 100,
            }
        )


def live(people: People, days: float, rng: np.random.Generator, *, null: bool) -> Lives:
    """The journeys of all people who get to know the company at some time within ``days``."""
    size = len(people)
    product, method = pick(rng, causes.PRODUCTS, size), pick(rng, causes.PAYMENT_METHODS, size)
    steps = ("aware", "evaluating", "registered", "checkout", "purchased", "setup", "in_use", "advocate")
    slot = {step: ((rng.random(size) < 0.18) & people.has_second_device).astype(np.int64) for step in steps}
    delayed = rng.random(size) < causes.DELAYED_DELIVERY
    acting = Causes.of(
        device=people.devices[np.arange(size), slot["checkout"]],
        product=product,
        acquisition=people.acquisition,
        delayed=delayed,
        null=null,
        rng=rng,
    )

    rest = {step: _lognormal(rng, size, *bounds) for step, bounds in _RESTS.items()}
    rest["purchased"] = rng.uniform(7.5, 11.5, size)  # the machine travels
    rest["setup"] = rng.uniform(0.5, 4.0, size)
    rest["in_use"] = rng.uniform(13.5, 14.5, size)

    chance = {step: rng.random(size) for step in ("aware", "skip", "evaluating", "registered", "checkout")}
    first = _first_days(rng, size, days)
    after_aware = chance["aware"] < _GOES_ON["aware"]
    skips = chance["skip"] < _SKIPS_EVALUATING
    to_registered = after_aware & (chance["evaluating"] < _GOES_ON["evaluating"])
    to_checkout = to_registered & (chance["registered"] < _GOES_ON["registered"])
    pays = to_checkout & (chance["checkout"] >= rate(causes.ABANDONS_CHECKOUT, acting.android))
    to_setup = pays & (rng.random(size) < _GOES_ON["purchased"])
    skips_setup = rng.random(size) < _SKIPS_SETUP
    to_use = to_setup & (rng.random(size) < _GOES_ON["setup"])

    evaluating = first + rest["aware"]
    registered = evaluating + np.where(skips, 0.0, rest["evaluating"])
    checkout = registered + rest["registered"]
    purchased = checkout + rest["checkout"]
    setup = purchased + rest["purchased"]
    in_use = setup + rest["setup"]
    renewals = _renewals(in_use, to_use, acting, rest["in_use"], rng)
    last = np.fmax(in_use, np.nanmax(np.column_stack([renewals, in_use]), axis=1))
    refers = to_use & (rng.random(size) < _REFERS)
    at = {
        "aware": first,
        "evaluating": np.where(after_aware & ~skips, evaluating, np.nan),
        "registered": np.where(to_registered, registered, np.nan),
        "checkout": np.where(to_checkout, checkout, np.nan),
        "purchased": np.where(pays, purchased, np.nan),
        "setup": np.where(to_setup & ~(to_use & skips_setup), setup, np.nan),
        "in_use": np.where(to_use, in_use, np.nan),
        "advocate": np.where(refers, last + rng.uniform(2, 10, size), np.nan),
    }
    spends = np.where(acting.community, causes.COMMUNITY_SPENDS, 1.0)
    return Lives(
        at=at,
        rest=rest,
        slot=slot,
        first_contact=pick(rng, _FIRST_CONTACT, size),
        product=product,
        payment_method=method,
        renewals=renewals,
        delayed=delayed,
        refunded=rng.random(size) < rate(causes.IS_REFUNDED, acting.delayed),
        amount=_cents(rng, size, 140.0, spends),
        renewal_amount=_cents(rng, size, 38.0, spends),
        asks=_asks(rng, size, acting),
        causes=acting,
    )


def _lognormal(rng: np.random.Generator, size: int, median: float, low: float, high: float) -> Days:
    return np.clip(rng.lognormal(np.log(median), 1.0, size), low, high)


def _first_days(rng: np.random.Generator, size: int, days: float) -> Days:
    """Any day is as likely as another; the hours follow the day."""
    hour = rng.choice(24, size, p=_HOURS / _HOURS.sum()) + rng.random(size)
    day = rng.integers(0, max(1, int(days)), size)
    return np.asarray(day + hour / 24, dtype=np.float64)


def _renewals(in_use: Days, to_use: Flags, acting: Causes, rest: Days, rng: np.random.Generator) -> Days:
    renewals = np.full((len(in_use), RENEWALS), np.nan)
    goes_on = to_use & (rng.random(len(in_use)) < rate(causes.RENEWS, acting.delayed))
    when = in_use
    for number in range(RENEWALS):
        when = when + rest
        renewals[goes_on, number] = when[goes_on]
        goes_on = goes_on & (rng.random(len(in_use)) < _RENEWS_AGAIN)
    return renewals


def _cents(rng: np.random.Generator, size: int, median: float, spends: Days) -> NDArray[np.int64]:
    """What a basket costs, whatever the product or plan: neither is to be a cause of revenue."""
    return np.rint(rng.lognormal(np.log(median), 0.35, size) * spends * 100).astype(np.int64)


def _asks(rng: np.random.Generator, size: int, acting: Causes) -> dict[str, Flags]:
    """Who turns to support at which step, provided they reach it."""
    chance = {
        "evaluating": np.full(size, 0.05),
        "registered": np.full(size, 0.06),
        "checkout": np.full(size, 0.07),
        "purchased": rate(causes.ASKS_AFTER_PURCHASE, acting.delayed),
        "setup": rate(causes.ASKS_DURING_SETUP, acting.pro_kit),
        "in_use": np.full(size, 0.06),
    }
    return {step: rng.random(size) < share * acting.asks_factor for step, share in chance.items()}
