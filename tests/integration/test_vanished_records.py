"""Deletions that only a listing of everything shows: one tombstone for each, where it was first seen to be missing."""

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from integration_fakes import stream_for

from cx_orchestration.integration.landing import land
from cx_orchestration.integration.records import Batch, Record
from cx_orchestration.integration.times import micros
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import Stream
from cx_orchestration.model.tables import landed
from cx_orchestration.storage.lake import Lake

NOW = dt.datetime(2024, 2, 1, 4, tzinfo=dt.UTC)
TABLE = landed("billing", "members")


def day(number: int) -> dt.date:
    return dt.date(2024, 1, number)


def member(name: str, number: int) -> Record:
    at = dt.datetime.combine(day(number), dt.time(12), dt.UTC)
    return Record(name, micros(at), f'{{"id":"{name}"}}')


class Members:
    """A service whose members are known, asked for in chunks of ``max_days``, and for all ids there are."""

    service = "billing"
    zone = ZoneInfo("UTC")
    requests = 0

    def __init__(self, *members: Record, max_days: int = 31) -> None:
        self.members = list(members)
        self.max_days = max_days
        self.fails_for_longer_than = max_days

    def stream(self, name: str) -> Stream:
        return stream_for(tombstones={"type": "snapshot"})

    def chunks(self, stream: str, days: DayRange) -> list[DayRange]:
        return list(days.chunks(self.max_days))

    def divisible(self, stream: str) -> bool:
        return True

    def read(self, stream: str, days: DayRange) -> Iterator[Batch]:
        if len(days) > self.fails_for_longer_than:
            raise PermanentFailure("more than the service lists at once")
        yield self.members, None

    def existing(self, stream: str) -> Iterator[list[str]]:
        yield [member.record_id for member in self.members]

    def read_children(self, stream: str, day: dt.date, parent: str) -> Iterator[list[Record]]:
        raise NotImplementedError

    def without(self, name: str) -> None:
        self.members = [member for member in self.members if member.record_id != name]


def land_days(lake: Lake, source: Members, first: int, last: int, *, until: int | None = None) -> list[tuple[str, int]]:
    """The tombstones in the lake after a range has landed: record and number of the day."""
    days, landed_until = DayRange(day(first), day(last)), until and day(until)
    landing = land(lake, source, "members", days, run_id="r", now=NOW, landed_until=landed_until)
    assert not landing.failures
    return sorted((row["record_id"], row["day"].day) for row in lake.read(TABLE).to_pylist() if row["deleted"])


def test_a_tombstone_stays_where_it_is_when_the_night_reads_its_day_again(lake: Lake) -> None:
    source = Members(member("ada", 1), member("bob", 2))
    assert land_days(lake, source, 1, 6) == []
    source.without("ada")
    nights = [land_days(lake, source, last - 2, last) for last in (7, 8, 9, 10, 11)]
    assert nights == [[("ada", 7)]] * 5
    (tombstone,) = [row for row in lake.read(TABLE).to_pylist() if row["deleted"]]
    assert tombstone["updated_at"] == dt.datetime(2024, 1, 7, 23, 59, 59, 999999, dt.UTC)


@pytest.mark.parametrize(("max_days", "fails_for_longer_than"), [(2, 2), (31, 1)])
def test_a_range_that_is_asked_for_in_parts_has_one_tombstone(
    lake: Lake, max_days: int, fails_for_longer_than: int
) -> None:
    source = Members(member("ada", 1), member("bob", 2))
    land_days(lake, source, 1, 3)
    source.without("ada")
    source.max_days, source.fails_for_longer_than = max_days, fails_for_longer_than
    assert land_days(lake, source, 4, 9) == [("ada", 9)]


def test_a_record_that_is_listed_again_has_no_tombstone_any_more(lake: Lake) -> None:
    source = Members(member("ada", 1))
    land_days(lake, source, 1, 3)
    source.members = []
    assert land_days(lake, source, 4, 4) == [("ada", 4)]
    source.members = [member("ada", 1)]
    assert land_days(lake, source, 4, 4) == []


def test_days_before_one_that_has_landed_get_no_new_tombstone_and_keep_theirs(lake: Lake) -> None:
    source = Members(member("ada", 1), member("bob", 1), member("eve", 5))
    land_days(lake, source, 1, 3)
    source.without("ada")
    assert land_days(lake, source, 4, 5) == [("ada", 5)]
    source.members.append(member("dan", 6))
    land_days(lake, source, 6, 6)
    source.without("bob")
    assert land_days(lake, source, 4, 5) == [("ada", 5)]


def test_a_later_day_that_landed_without_records_counts_too(lake: Lake) -> None:
    source = Members(member("ada", 1), member("bob", 1))
    assert land_days(lake, source, 1, 6) == []
    source.without("ada")
    assert land_days(lake, source, 2, 4, until=6) == []
    assert land_days(lake, source, 5, 6, until=6) == [("ada", 6)]


def test_a_listing_without_a_single_record_where_there_were_many_deletes_nobody(lake: Lake) -> None:
    members = [member(f"m{number}", 1 + number % 2) for number in range(11)]
    land(lake, Members(*members), "members", DayRange(day(1), day(2)), run_id="r", now=NOW)
    landing = land(lake, Members(), "members", DayRange(day(3), day(3)), run_id="r", now=NOW)
    assert "would mean that all 11 were deleted" in str(landing.failures[day(3)])
    assert not any(lake.read(TABLE)["deleted"].to_pylist())
