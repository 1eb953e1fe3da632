"""Calls in the Segment spec by the ready-made declaration: gzipped files, doubled and late deliveries."""

import datetime as dt
import gzip
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from vendor_server import Record, at
from vendor_site import march

from cx_orchestration.integration.landing import land
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.profiles import map_profiles
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import EVENTS, landed
from cx_orchestration.project.ready_made import ready_made
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

DENVER = ZoneInfo("America/Denver")


def told(day: int, hour: int = 12, minute: int = 0) -> str:
    return at(day, hour, minute).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def call(name: str, received: str, kind: str = "track", **changes: Any) -> Record:
    device = {"device": {"type": "ios"}, "page": {"referrer": "https://search.example/"}}
    base = {"messageId": name, "type": kind, "receivedAt": received, "timestamp": received, "context": device}
    return {**base, "anonymousId": "browser-1", "userId": None, **changes}


class Drops:
    """A project folder into which a storage destination is synchronised: a folder a day of UTC, a file an hour."""

    def __init__(self, folder: Path, lake: Lake) -> None:
        self.folder, self.lake = folder, lake
        self.declaration = ready_made("segment")
        self.source = ServiceSource(self.declaration, zone=DENVER, folder=folder, environ={})

    def drop(self, day: int, file: str, *calls: Record) -> Path:
        path = self.folder / f"drops/segment/source-1/{int(at(day, 0).timestamp() * 1000)}/{file}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(b"".join(orjson.dumps(each) + b"\n" for each in calls)))
        return path

    def landed(self, first: int, last: int) -> dict[int, list[str]]:
        failures = self.land(first, last)
        assert not failures, failures
        found: dict[int, list[str]] = {}
        for row in self.lake.read(landed("segment", "calls")).to_pylist():
            found.setdefault(row["day"].day, []).append(row["record_id"])
        return {day: sorted(ids) for day, ids in sorted(found.items())}

    def land(self, first: int, last: int) -> dict[dt.date, Any]:
        days = DayRange(march(first), march(last))
        return dict(land(self.lake, self.source, "calls", days, run_id="run", now=at(20)).failures)


@pytest.fixture
def drops(tmp_path: Path, lake: Lake) -> Drops:
    return Drops(tmp_path / "company", lake)


def test_calls_lie_in_days_of_the_company_whatever_folder_they_came_in(drops: Drops) -> None:
    """In Denver the 5th of March begins at 7 in the morning of UTC."""
    drops.drop(5, "a", call("before", told(5, 6, 59)), call("first", told(5, 7)))
    drops.drop(6, "b", call("last", told(6, 6, 59)), call("after", told(6, 7)))
    assert drops.landed(5, 5) == {5: ["first", "last"]}


def test_a_call_that_was_written_twice_is_one_record(drops: Drops) -> None:
    drops.drop(5, "a", call("m1", told(5)), call("m2", told(5)))
    drops.drop(5, "b", call("m1", told(5)))
    assert drops.landed(5, 5) == {5: ["m1", "m2"]}


def test_a_damaged_file_fails_its_days_and_says_which(drops: Drops) -> None:
    path = drops.drop(5, "a", *(call(f"m{n}", told(5)) for n in range(100)))
    path.write_bytes(path.read_bytes()[:-20])
    (failure,) = drops.land(5, 5).values()
    assert isinstance(failure, PermanentFailure)
    assert "a.gz" in str(failure)


def test_calls_become_events_when_they_happened_and_profiles(drops: Drops, lake: Lake, engine: Engine) -> None:
    traits = {"email": "ada@example.org", "firstName": "Ada", "plan": "trial", "address": {"city": "Denver"}}
    drops.drop(
        5,
        "a",
        call("page", told(5, 8), "page"),
        call("who", told(5, 9), "identify", userId="login-1", traits=traits),
        # In a tunnel: it came in an hour after it happened.
        call(
            "late",
            told(5, 10),
            event="Product Viewed",
            userId="login-1",
            timestamp=told(5, 9),
            properties={"name": "Kit"},
        ),
        call("order", told(5, 11), event="Order Completed", userId="login-1", context={}, properties={"order_id": "7"}),
        call("own", told(5, 12), event="Something Else", userId="login-1"),
    )
    drops.landed(5, 5)
    map_events(engine, lake, drops.declaration, DayRange(march(5), march(5)), run_id="run")
    events = sorted(lake.read(EVENTS).to_pylist(), key=lambda row: row["occurred_at"])
    assert [(e["type"], e["occurred_at"].hour, e["channel"], e["entity"]) for e in events] == [
        ("page.viewed", 8, "app", "browser-1"),
        ("product.viewed", 9, "app", "login-1"),
        ("order.placed", 11, "web", "login-1"),
    ]
    profiles = map_profiles(engine, lake, {"segment": drops.declaration}).profiles.to_pylist()
    (ada,) = (profile for profile in profiles if profile["entity"] == "login-1")
    assert (ada["given_name"], ada["city"], ada["attributes"]) == ("Ada", "Denver", '{"plan":"trial"}')
    assert {key["namespace"] for key in ada["keys"]} == {"login", "anonymous_id", "email"}
