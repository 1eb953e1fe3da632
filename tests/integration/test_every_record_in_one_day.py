"""Whatever the clocks do, every record lands in exactly one day, and is mapped to one event there (I5).

A service holds records with the instant they changed at, writes that instant in its own way, and compares what it is
asked for with the instant itself. A local time that means two instants it reads as either.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from integration_fakes import ENVIRON, in_days, json_response, service_for, stream_for
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.integration.landing import land
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.records import record_reader
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.integration.times import zone_of
from cx_orchestration.integration.windows import query, unit
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.endpoint import Window
from cx_orchestration.model.service import Stream
from cx_orchestration.model.tables import EVENTS, REJECTED_RECORDS, landed
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
NOW = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)


def written(moment: dt.datetime, pattern: str, zone: ZoneInfo) -> str:
    """An instant, cut to the second, in one of the ways that services have."""
    match pattern:
        case "iso":
            return moment.astimezone(dt.UTC).isoformat()
        case "epoch_s" | "epoch_ms" | "epoch_us":
            return str(
                (moment - EPOCH) // {"epoch_s": SECOND, "epoch_ms": SECOND / 1e3, "epoch_us": SECOND / 1e6}[pattern]
            )
        case _:
            return moment.astimezone(zone).strftime(pattern)


@dataclass(frozen=True)
class Service:
    """Records by id with the instant of their change. ``window`` is how it wants to be asked, ``writes`` how it writes
    times, in ``zone`` where they carry no offset; ``fold`` which of two instants it takes a local time for."""

    changes: dict[str, dt.datetime]
    window: Window
    writes: str
    zone: ZoneInfo
    fold: int = 0

    def answer(self, since: str, until: str) -> list[dict[str, Any]]:
        if self.window.format == "date":
            dates = {id: at.astimezone(self.zone).date().isoformat() for id, at in self.changes.items()}
            end = until if self.window.end == "exclusive" else until + "~"
            return [self.record(id) for id in self.changes if since <= dates[id] < end]
        start, end = self.read(since), self.read(until)
        if self.window.end == "inclusive":
            end += unit(self.window)
        return [self.record(id) for id, at in self.changes.items() if start <= at < end]

    def read(self, text: str) -> dt.datetime:
        match self.window.format:
            case "iso":
                return dt.datetime.fromisoformat(text)
            case "epoch_s" | "epoch_ms" | "epoch_us":
                per = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}[self.window.format]
                return EPOCH + dt.timedelta(microseconds=int(text) * 1_000_000 // per)
            case pattern:
                moment = dt.datetime.strptime(text, pattern)
                return moment if moment.tzinfo else moment.replace(tzinfo=self.zone, fold=self.fold).astimezone(dt.UTC)

    def record(self, id: str) -> dict[str, Any]:
        text = written(self.changes[id], self.writes, self.zone)
        return {"id": id, "changed": text, "customer": "c1"}

    def stream(self) -> Stream:
        time = {"path": "changed", "format": "iso" if "-" in self.writes else self.writes, "time_zone": self.zone.key}
        return stream_for(
            endpoint={
                "path": "/charges",
                "params": {"since": "{window.start}", "until": "{window.end}"},
                "window": self.window.model_dump(),
                "data_selector": "data",
                "paginator": {"type": "single_page"},
            },
            updated_at=time,
            events=[{"type": "order.placed", "occurred_at": time, "channel": "web", "entity": "customer"}],
        )


LOCAL = "%Y-%m-%dT%H:%M:%S"
WINDOWS = [
    Window(format=pattern, end=end)
    for pattern in (
        "epoch_s",
        "epoch_ms",
        "iso",
        "date",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y%m%d%H",
        LOCAL + "%z",
    )
    for end in ("exclusive", "inclusive")
]

#: A company's zone, the first and last of some of its days, and what is special about them.
NIGHTS = {
    "spring in Zurich": ("Europe/Zurich", "2026-03-28", "2026-03-30"),
    "autumn in Zurich": ("Europe/Zurich", "2026-10-24", "2026-10-26"),
    "spring in New York": ("America/New_York", "2026-03-07", "2026-03-09"),
    "a leap day": ("America/Los_Angeles", "2028-02-28", "2028-03-01"),
    "half an hour": ("Asia/Kolkata", "2026-03-28", "2026-03-30"),
    "half an hour put back": ("Australia/Lord_Howe", "2026-04-04", "2026-04-06"),
    "half an hour put forward": ("Australia/Lord_Howe", "2026-10-03", "2026-10-05"),
    "no midnight": ("Africa/Cairo", "2026-04-23", "2026-04-25"),
    "two midnights": ("America/Havana", "2026-10-31", "2026-11-02"),
    "no 30 December": ("Pacific/Apia", "2011-12-29", "2011-12-31"),
    "UTC while Zurich changes": ("UTC", "2026-10-24", "2026-10-26"),
    "midnight as the clocks of Zurich go back": ("Atlantic/Cape_Verde", "2026-10-23", "2026-10-25"),
}


def days_between(first: str, last: str) -> DayRange:
    return DayRange(dt.date.fromisoformat(first), dt.date.fromisoformat(last))


def half_hours(days: DayRange, zone: ZoneInfo) -> dict[str, dt.datetime]:
    """A record every half hour of the days, and a second after each midnight and before it."""
    start, end = days.bounds(zone)
    moments = {start + n * 1800 * SECOND for n in range((end - start) // (1800 * SECOND))}
    for day in days:
        moments |= {DayRange(day, day).bounds(zone)[0] + SECOND, DayRange(day, day).bounds(zone)[1] - SECOND}
    return {f"r{n}": moment for n, moment in enumerate(sorted(moments))}


def found_by_day(service: Service, days: Iterable[DayRange], zone: ZoneInfo) -> dict[dt.date, list[str]]:
    """What the records' days are when ranges of days are asked for one after the other."""
    stream, found = service.stream(), dict[dt.date, list[str]]()
    read = record_reader(stream.record_id, stream.updated_at)
    assert stream.endpoint is not None
    for asked in days:
        params = query(stream.endpoint, *asked.bounds(zone), zone_of(stream.updated_at)).params
        records = service.answer(str(params["since"]), str(params["until"]))
        found |= in_days([read(record, True) for record in records], asked, zone)
    return found


@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize("fold", [0, 1])
def test_every_record_lands_in_one_day_and_in_the_same_whatever_range_was_asked(night: str, fold: int) -> None:
    company, first, last = NIGHTS[night]
    zone, days = ZoneInfo(company), days_between(first, last)
    around = DayRange(days.first - dt.timedelta(days=1), days.last + dt.timedelta(days=1))
    for place in ("UTC", "Europe/Zurich", company):
        for window in WINDOWS:
            for writes in ("epoch_s", "iso", LOCAL):
                service = Service(half_hours(days, zone), window, writes, ZoneInfo(place), fold)
                alone = found_by_day(service, around.chunks(1), zone)
                assert sorted(id for ids in alone.values() for id in ids) == sorted(service.changes), (window, writes)
                assert found_by_day(service, [around], zone) == alone
                if writes != LOCAL:
                    assert all(
                        service.changes[id].astimezone(zone).date() == day for day, ids in alone.items() for id in ids
                    )


ZONES = (
    "UTC", "Europe/Zurich", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Africa/Cairo", "America/Havana", "America/St_Johns", "Atlantic/Azores", "Atlantic/Cape_Verde", "Australia/Eucla",
    "Pacific/Chatham", "Africa/Casablanca", "Asia/Beirut", "America/Santiago", "Pacific/Apia",
)  # fmt: skip
#: Companies of every hour, so that some have midnight while the clocks of a service are put back.
COMPANIES = (*ZONES, *(f"Etc/GMT{hour:+d}" for hour in range(-14, 13)))
MOMENTS = st.datetimes(dt.datetime(2012, 1, 2), dt.datetime(2036, 12, 29)).map(lambda at: at.replace(tzinfo=dt.UTC))


def changes_of(zone: ZoneInfo) -> list[dt.datetime]:
    """The instants, to the minute, at which a zone's clocks change in 2026 and 2027."""
    hours = [dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + n * 3600 * SECOND for n in range(2 * 365 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hours[n] for n in range(1, len(hours)) if offsets[n] != offsets[n - 1]]


CHANGES = {zone: changes_of(ZoneInfo(zone)) if zone in ZONES else [] for zone in COMPANIES}


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.sampled_from(COMPANIES), st.sampled_from(ZONES), st.sampled_from(WINDOWS), st.data())
def test_no_clock_of_company_or_service_loses_or_doubles_a_record(
    company: str, place: str, window: Window, data: st.DataObject
) -> None:
    """Instants lie by chance, most of them within hours of a change of one of the two clocks."""
    zone = ZoneInfo(company)
    near = st.sampled_from([*CHANGES[company], *CHANGES[place], dt.datetime(2028, 2, 29, tzinfo=dt.UTC)])
    minutes = st.integers(-180, 180).map(lambda minute: minute * 60 * SECOND)
    moments = data.draw(st.lists(MOMENTS | st.builds(dt.datetime.__add__, near, minutes), min_size=1, max_size=8))
    cut = [moment - (moment - EPOCH) % SECOND for moment in moments]
    writes = data.draw(st.sampled_from(["epoch_s", "iso", LOCAL]))
    changes = {f"r{n}": moment for n, moment in enumerate(cut)}
    service = Service(changes, window, writes, ZoneInfo(place), data.draw(st.integers(0, 1)))
    for id, moment in changes.items():
        day = moment.astimezone(zone).date()
        around = DayRange(day - dt.timedelta(days=1), day + dt.timedelta(days=1))
        alone = [day for day, ids in found_by_day(service, around.chunks(1), zone).items() if id in ids]
        assert len(alone) == 1
        assert [day for day, ids in found_by_day(service, [around], zone).items() if id in ids] == alone


@pytest.mark.parametrize("night", NIGHTS)
def test_records_and_their_events_lie_in_the_same_day(
    lake: Lake, engine: Engine, tmp_path: Path, httpserver: HTTPServer, night: str
) -> None:
    company, first, last = NIGHTS[night]
    zone, days = ZoneInfo(company), days_between(first, last)
    service = Service(half_hours(days, zone), Window(format="%Y-%m-%d %H:%M"), "iso", ZoneInfo("Europe/Zurich"))

    def reply(request: Request) -> Response:
        return json_response({"data": service.answer(request.args["since"], request.args["until"])})

    httpserver.expect_request("/charges").respond_with_handler(reply)
    declared = service_for(httpserver.url_for(""), {"charges": service.stream()})
    source = ServiceSource(declared, zone=zone, folder=tmp_path, environ=ENVIRON)
    for asked in days.chunks(1):
        landing = land(lake, source, "charges", asked, run_id="r", now=NOW)
        assert landing.failures == {}
        assert map_events(engine, lake, declared, asked, run_id="r").rejected == {}
    source.close()
    expected = {id: (at, at.astimezone(zone).date()) for id, at in service.changes.items()}
    rows = lake.read(landed("billing", "charges")).to_pylist()
    assert {row["record_id"]: (row["updated_at"], row["day"]) for row in rows} == expected
    assert len(rows) == len(expected)
    events = lake.read(EVENTS).to_pylist()
    assert {row["record_id"]: (row["occurred_at"], row["day"]) for row in events} == expected
    assert len(events) == len(expected)
    assert lake.read(REJECTED_RECORDS).num_rows == 0


def test_a_day_that_never_was_is_asked_of_nobody_and_is_empty(
    lake: Lake, tmp_path: Path, httpserver: HTTPServer
) -> None:
    service = Service({}, Window(format="iso"), "iso", ZoneInfo("UTC"))
    declared = service_for(httpserver.url_for(""), {"charges": service.stream()})
    source = ServiceSource(declared, zone=ZoneInfo("Pacific/Apia"), folder=tmp_path, environ=ENVIRON)
    missing = days_between("2011-12-30", "2011-12-30")
    landing = land(lake, source, "charges", missing, run_id="r", now=NOW)
    source.close()
    assert (landing.records, landing.failures, landing.requests) == ({missing.first: 0}, {}, 0)
    assert httpserver.log == []
