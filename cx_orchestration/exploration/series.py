"""Rates over time: every visit to a step, what it came to, and the series of visits whose rate is followed.

Belongs here: reading the visits of all series, in days of the company's time zone. Does not belong here: what is odd
about a series (``incidents``), who gave up or asked (E1's and E2's SQL).
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cx_orchestration.exploration.abandonment_hotspots import giving_up
from cx_orchestration.exploration.cohorts import Cohorts
from cx_orchestration.exploration.periods import Period, Visits
from cx_orchestration.exploration.support_shifts import turning_to_support
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.settings import Settings
from cx_orchestration.storage.engine import Engine, sql_text

#: What identifies a series: the rate of one outcome at one step, of all customers or of one segment value.
KEY = ["journey", "step", "outcome", "segment", "segment_value"]

GAVE_UP, ASKED = "gave_up", "asked_support"

#: A longer time than so many days is looked at in spans of some days, as the number of periods grows with the square.
MOST_BINS = 400

_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True, eq=False)
class Series:
    """The visits of one series, in ``bins`` of ``width`` days from ``start`` (days since 1970) on; ``entry`` are their
    places among all entries with this outcome; ``judged_until`` is the day of the last visit to the step."""

    key: tuple[str, ...]
    entry: NDArray[np.int64]
    visits: Visits
    bins: int
    start: int
    width: int
    judged_until: int

    def days(self, period: Period) -> tuple[dt.date, dt.date]:
        """The first and the last day of a period."""
        until = min(self.start + (period.last + 1) * self.width - 1, self.judged_until)
        return day(self.start + period.first * self.width), day(until)


class Outcomes:
    """What every visit came to, as far as it is old enough to be judged; ``cohorts`` are of every visit."""

    def __init__(self, engine: Engine, cohorts: Cohorts, settings: Settings) -> None:
        self._engine = engine
        self._cohorts = cohorts
        self._window = round(settings.exploration.support_window_days * MICROSECONDS_A_DAY)
        self._least = settings.exploration.min_customers
        self._zone = ZoneInfo(settings.time_zone)
        self._entries = {GAVE_UP: _in_order(giving_up(engine, cohorts, settings.currency)), ASKED: self._asking([])}

    def series(self) -> Iterator[Series]:
        """Those of all customers, and of each value of a segment, at each step where the outcome can be judged; a value
        that fewer than ``min_customers`` others lack is as good as all."""
        for outcome, entries in self._entries.items():
            customer = pd.factorize(entries["customer_id"].to_pandas(), sort=True)[0].astype(np.int64)
            days, hit = _local_days(entries["entered_at"], self._zone), entries["hit"].to_numpy().astype(np.int64)
            for (journey, step), of_step in self._members(entries).groupby(["journey", "step"], sort=True):
                everyone = np.unique(of_step["entry"].to_numpy())
                start, end = int(days[everyone].min()), int(days[everyone].max())
                width = -(-(end - start + 1) // MOST_BINS)
                for (segment, value), of_series in of_step.groupby(["segment", "segment_value"], sort=True):
                    entry = of_series["entry"].to_numpy()
                    others = np.unique(customer[np.setdiff1d(everyone, entry, assume_unique=True)])
                    if segment != "all" and len(others) < self._least:
                        continue
                    yield Series(
                        key=(str(journey), str(step), outcome, str(segment), str(value)),
                        entry=entry,
                        visits=Visits(customer[entry], (days[entry] - start) // width, hit[entry]),
                        bins=(end - start) // width + 1,
                        start=start,
                        width=width,
                        judged_until=end,
                    )

    def asked_otherwise(self, claimed: Sequence[tuple[Series, Period]]) -> NDArray[np.int64]:
        """Who asked, by ``entry``, without the contacts within the window after a visit to the step of a claimed series
        in its period; at that step itself they count."""
        hits: NDArray[np.int64] = self._asking(claimed)["hit"].to_numpy().astype(np.int64)
        return hits

    def _members(self, entries: pa.Table) -> pd.DataFrame:
        numbered = entries.select(["journey", "step", "customer_id", "place"]).append_column(
            "entry", pa.array(np.arange(entries.num_rows))
        )
        inputs = {"outcomes": numbered, "clusters": self._cohorts.clusters}
        members: pd.DataFrame = self._engine.query(sql_text(__package__, "series.sql"), inputs).to_pandas()
        return members

    def _asking(self, claimed: Sequence[tuple[Series, Period]]) -> pa.Table:
        rows = []
        for series, period in claimed:
            first, last = series.days(period)
            until = last + dt.timedelta(days=1)
            rows.append((*series.key[:2], _instant(first, self._zone), _instant(until, self._zone)))
        taken = pd.DataFrame(rows, columns=["journey", "step", "from_at", "until_at"])
        return _in_order(turning_to_support(self._engine, self._cohorts, self._window, taken))


def day(number: int) -> dt.date:
    """The day so many days after the first of 1970."""
    return _EPOCH + dt.timedelta(days=number)


def _in_order(outcomes: pa.Table) -> pa.Table:
    """By journey, step and customer, and then by time."""
    order = ("journey", "step", "customer_id", "entered_at", "place")
    return outcomes.sort_by([(name, "ascending") for name in order])


def _local_days(at: pa.ChunkedArray, zone: ZoneInfo) -> NDArray[np.int64]:
    """The days since 1970, in the company's time zone, of instants in microseconds."""
    local = pd.to_datetime(at.to_numpy(), unit="us", utc=True).tz_convert(zone).tz_localize(None)
    days: NDArray[np.int64] = local.to_numpy().astype("datetime64[D]").astype(np.int64)
    return days


def _instant(of: dt.date, zone: ZoneInfo) -> int:
    return round(dt.datetime.combine(of, dt.time(), zone).timestamp()) * 1_000_000
