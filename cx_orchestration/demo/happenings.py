"""What happens to people at which instant, before any system writes it down in its own way.

Belongs here: moments, cut to the company's period, one DataFrame a kind. Does not belong here: ids and field names of
systems (``services``). Every frame has ``person`` (a row number of ``People``) and ``at`` (microseconds since 1970),
sorted by both.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cx_orchestration.demo import causes
from cx_orchestration.demo.lives import MINUTE, Days, Flags, Lives
from cx_orchestration.demo.people import People, Texts, pick

_DAY = 86_400_000_000
_CHANNELS = {"web": 0.40, "email": 0.25, "chat": 0.20, "voice": 0.15}
_NPS = {str(score): share for score, share in enumerate((3, 1, 2, 3, 3, 6, 8, 16, 22, 18, 18))}
_CES = {"1": 4, "2": 6, "3": 9, "4": 13, "5": 24, "6": 26, "7": 18}


@dataclass(frozen=True)
class Period:
    """The half-open range of instants, in microseconds since 1970, that everything lies in."""

    start: int
    end: int

    @property
    def days(self) -> float:
        return (self.end - self.start) / _DAY


@dataclass(frozen=True)
class Happenings:
    """Everything that happens, one frame a kind.

    web: kind, slot, device, product, logged_in. charges: cents, succeeded, kind, product, method. refunds: cents.
    tickets: solved_at (0 while open), channel, step, slot. newsletters: opened_at, clicked_at (0 for never), slot.
    leads: slot. contacts. members: slot. posts. responses: kind, score, calls (about a call to support). A slot says
    which of two devices they use.
    """

    web: pd.DataFrame
    charges: pd.DataFrame
    refunds: pd.DataFrame
    tickets: pd.DataFrame
    newsletters: pd.DataFrame
    leads: pd.DataFrame
    contacts: pd.DataFrame
    members: pd.DataFrame
    posts: pd.DataFrame
    responses: pd.DataFrame


def happen(people: People, lives: Lives, period: Period, rng: np.random.Generator) -> Happenings:
    """All that these lives leave behind within the period."""
    moments = _Moments(people, lives, period, rng)
    tickets = moments.tickets()
    members = moments.members()
    return Happenings(
        web=moments.web(),
        charges=moments.charges(),
        refunds=moments.refunds(),
        tickets=tickets,
        newsletters=moments.newsletters(),
        leads=moments.leads(),
        contacts=moments.contacts(),
        members=members,
        posts=moments.posts(members),
        responses=moments.responses(tickets),
    )


class _Moments:
    def __init__(self, people: People, lives: Lives, period: Period, rng: np.random.Generator) -> None:
        self._people, self._lives, self._period, self._rng = people, lives, period, rng
        self._size = len(people)

    def _chance(self, share: float) -> Flags:
        return np.asarray(self._rng.random(self._size) < share)

    def _uniform(self, low: float, high: float) -> Days:
        return self._rng.uniform(low, high, self._size)

    def _during(self, step: str, longest: float = 2.0) -> Days:
        """A moment of each person's rest at a step, and of its first days only."""
        span = np.minimum(self._lives.rest[step], longest)
        return np.asarray(self._lives.at[step] + self._uniform(0.1, 0.9) * span)

    def _frame(self, when: Days, who: Flags | None = None, **columns: Any) -> pd.DataFrame:
        """The moments that exist and lie within the period, with the columns of those people."""
        exists = ~np.isnan(when) if who is None else ~np.isnan(when) & who
        person = np.flatnonzero(exists)
        frame = pd.DataFrame({"person": person, "at": self._instants(when[person])})
        for name, values in columns.items():
            frame[name] = values[person] if isinstance(values, np.ndarray) else values
        return self._within(frame)

    def _within(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.loc[frame["at"] < self._period.end]

    def _instants(self, when: Days) -> Any:
        return self._period.start + np.rint(when * _DAY).astype(np.int64)

    def _or_never(self, when: Days, happens: Flags) -> Any:
        """Instants, 0 where nothing happens or it would lie after the period."""
        instants = self._instants(np.where(happens, when, 0.0))
        return np.where(happens & (instants < self._period.end), instants, 0)

    def web(self) -> pd.DataFrame:
        lives, at = self._lives, self._lives.at
        registered = np.where(np.isnan(at["registered"]), np.inf, at["registered"])
        second = lives.slot["registered"] ^ 1
        viewed = np.where(self._chance(0.6), lives.product, pick(self._rng, causes.PRODUCTS, self._size))
        by_page = lives.first_contact == "page"
        parts = [
            self._session("page.viewed", "aware", at["aware"], by_page),
            *[self._session("page.viewed", "aware", self._during("aware", 10.0), self._chance(0.4)) for _ in range(2)],
            self._session("page.viewed", "evaluating", at["evaluating"] - 0.7 * MINUTE),
            self._session("product.viewed", "evaluating", at["evaluating"], product=viewed),
            self._session("product.viewed", "evaluating", self._during("evaluating"), self._chance(0.5), viewed),
            self._session("page.viewed", "registered", at["registered"] - 2.5 * MINUTE),
            self._session("signup.completed", "registered", at["registered"]),
            self._session("page.viewed", second, at["registered"] + 3 * MINUTE, self._logs_in_elsewhere()),
            self._session("product.viewed", "registered", self._during("registered"), self._chance(0.15), viewed),
            self._session("checkout.started", "checkout", at["checkout"], product=lives.product),
            self._session("setup.started", "setup", at["setup"], product=lives.product),
            self._session("setup.completed", "in_use", at["in_use"], product=lives.product),
            self._session("referral.made", "advocate", at["advocate"]),
            self._session("app.error", "evaluating", self._during("evaluating", 1.0), self._chance(0.06)),
            self._session("app.error", "checkout", self._during("checkout", 1.0), self._chance(0.08), lives.product),
            self._session("app.error", "in_use", self._during("in_use", 1.0), self._chance(0.10), lives.product),
        ]
        late = self._frame(
            at["purchased"] + self._uniform(0.4, 1.8),
            lives.delayed,
            kind="delivery.delayed",
            slot=-1,
            device="",
            product=lives.product,
        )
        web = pd.concat([*parts, late], ignore_index=True)
        signed_up = self._instants(np.where(np.isinf(registered), 0.0, registered))
        known = ~np.isinf(registered)[web["person"]]
        web["logged_in"] = known & (web["at"].to_numpy() >= signed_up[web["person"]])
        return web.sort_values(["at", "person", "kind"], ignore_index=True)

    def _session(
        self, kind: str, step: str | Any, when: Days, who: Flags | None = None, product: Texts | None = None
    ) -> pd.DataFrame:
        slot = self._lives.slot[step] if isinstance(step, str) else step
        device = self._people.devices[np.arange(self._size), slot]
        return self._frame(when, who, kind=kind, slot=slot, device=device, product="" if product is None else product)

    def _logs_in_elsewhere(self) -> Flags:
        used_both = self._lives.slot["aware"] != self._lives.slot["registered"]
        return np.asarray(self._people.has_second_device & (used_both | self._chance(0.3)) & self._chance(0.8))

    def charges(self) -> pd.DataFrame:
        lives = self._lives
        share = self._uniform(0.2, 0.8)
        same: dict[str, Any] = {"product": lives.product, "method": lives.payment_method}
        fails = self._chance(0.08)
        tried = lives.at["checkout"] + share * lives.rest["checkout"]
        parts = [
            self._frame(tried, fails, cents=lives.amount, succeeded=False, kind="order", **same),
            self._frame(lives.at["purchased"], None, cents=lives.amount, succeeded=True, kind="order", **same),
        ]
        for number in range(lives.renewals.shape[1]):
            when = lives.renewals[:, number]
            parts.append(self._frame(when, None, cents=lives.renewal_amount, succeeded=True, kind="renewal", **same))
        return _sorted(parts)

    def refunds(self) -> pd.DataFrame:
        when = self._lives.at["purchased"] + self._uniform(3.0, 7.0)
        return _sorted([self._frame(when, self._lives.refunded, cents=self._lives.amount)])

    def tickets(self) -> pd.DataFrame:
        parts = []
        for step, asks in self._lives.asks.items():
            after_news = self._lives.at["purchased"] + self._uniform(2.1, 5.0)
            when = after_news if step == "purchased" else self._during(step)
            takes = np.clip(self._rng.lognormal(np.log(0.6), 0.9, self._size), 0.02, 10.0)
            solved = self._or_never(np.nan_to_num(when) + takes, np.ones(self._size, dtype=bool))
            channel = pick(self._rng, _CHANNELS, self._size)
            slot = self._lives.slot[step]
            parts.append(self._frame(when, asks, solved_at=solved, channel=channel, step=step, slot=slot))
        return _sorted(parts)

    def newsletters(self) -> pd.DataFrame:
        first = self._lives.first_contact == "newsletter"
        at_signup = ~first & self._chance(0.25)
        when = np.where(first, self._lives.at["aware"], self._lives.at["registered"] + MINUTE)
        opened = np.nan_to_num(when) + self._uniform(0.1, 3.0)
        opens = self._chance(0.48)
        clicks = opens & self._chance(0.30)
        return _sorted(
            [
                self._frame(
                    when,
                    first | at_signup,
                    opened_at=self._or_never(opened, opens),
                    clicked_at=self._or_never(opened + self._uniform(1.0, 20.0) * MINUTE, clicks),
                    slot=self._lives.slot["aware"],
                )
            ]
        )

    def leads(self) -> pd.DataFrame:
        first = self._lives.first_contact == "lead"
        later = ~first & self._chance(0.07)
        when = np.where(first, self._lives.at["aware"], self._during("evaluating"))
        slot = np.where(first, self._lives.slot["aware"], self._lives.slot["evaluating"])
        return _sorted([self._frame(when, first | later, slot=slot)])

    def contacts(self) -> pd.DataFrame:
        when = self._lives.at["registered"] + self._uniform(1.0, 5.0) * MINUTE
        return _sorted([self._frame(when, self._chance(0.92))])

    def members(self) -> pd.DataFrame:
        first = self._lives.first_contact == "community"
        later = ~first & self._chance(0.20)
        when = np.where(first, self._lives.at["aware"], self._during("in_use", 12.0))
        slot = np.where(first, self._lives.slot["aware"], self._lives.slot["in_use"])
        return _sorted([self._frame(when, first | later, slot=slot)])

    def posts(self, members: pd.DataFrame) -> pd.DataFrame:
        """Zero to five posts by each member within three weeks of joining."""
        author = np.repeat(np.arange(len(members)), self._rng.integers(0, 6, len(members)))
        later = np.rint(self._rng.uniform(0.01, 20, len(author)) * _DAY).astype(np.int64)
        posts = pd.DataFrame(
            {"person": members["person"].to_numpy()[author], "at": members["at"].to_numpy()[author] + later}
        )
        return _sorted([self._within(posts)])

    def responses(self, tickets: pd.DataFrame) -> pd.DataFrame:
        """Recommendation after a purchase, effort after setting up, satisfaction after a solved ticket."""
        bought = self._lives.at["purchased"] + self._uniform(5.0, 7.0)
        used = self._lives.at["in_use"] + self._uniform(0.1, 1.0)
        nps, ces = _scores(self._rng, _NPS, self._size), _scores(self._rng, _CES, self._size)
        solved = tickets[(tickets["solved_at"] > 0) & (self._rng.random(len(tickets)) < 0.4)]
        hours = (solved["solved_at"] - solved["at"]) / (_DAY / 24)
        mood = 4.6 - np.log1p(hours) * 0.5 + self._rng.normal(0, 0.7, len(solved))
        wait = np.rint(self._rng.uniform(0.02, 0.5, len(solved)) * _DAY).astype(np.int64)
        csat = pd.DataFrame(
            {
                "person": solved["person"],
                "at": solved["solved_at"] + wait,
                "kind": "csat",
                "score": np.clip(np.rint(mood), 1, 5).astype(np.int64),
                "calls": solved["channel"] == "voice",
            }
        )
        return _sorted(
            [
                self._frame(bought, self._chance(0.30), kind="nps", score=nps, calls=False),
                self._frame(used, self._chance(0.25), kind="ces", score=ces, calls=False),
                self._within(csat),
            ]
        )


def _scores(rng: np.random.Generator, weights: dict[str, int], size: int) -> Any:
    total = sum(weights.values())
    return pick(rng, {score: weight / total for score, weight in weights.items()}, size).astype(np.int64)


def _sorted(parts: list[pd.DataFrame]) -> pd.DataFrame:
    whole = pd.concat(parts, ignore_index=True)
    return whole.sort_values(["at", "person"], ignore_index=True, kind="stable")
