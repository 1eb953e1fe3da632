"""A second system that nobody here wrote: Kinto, a store of records over HTTP, read by a declaration alone.

It lists by time of change with both bounds left out, names the next page by its whole address in a header, and keeps a
tombstone of what was deleted.
"""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from cx_orchestration.integration.http import CredentialsRefused
from cx_orchestration.integration.landing import Landing, land
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.integration.validate import check_service
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.tables import EVENTS, landed
from cx_orchestration.project.yaml_files import parse_yaml
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

USER, PASSWORD = "ada", "canary-password"
ZONE = ZoneInfo("Asia/Kolkata")  # half an hour off the hours of UTC
PATH = "/buckets/desk/collections/tickets/records"

DECLARATION = """
service: kinto
kind: rest
client:
  base_url: ${KINTO_URL}
  auth: {type: basic, username_env: KINTO_USER, password_env: KINTO_PASSWORD}
  rate: {per_second: 1000}
streams:
  tickets:
    endpoint:
      path: /buckets/desk/collections/tickets/records
      params: {_since: "{window.start}", _before: "{window.end}", _sort: last_modified}
      window: {format: epoch_ms, start: exclusive, max_days: 31}
      data_selector: data
      paginator: {type: header_cursor, cursor_header: Next-Page}
      order: {by: last_modified}
      required_keys: [id, last_modified]
    record_id: id
    updated_at: {path: last_modified, format: epoch_ms}
    tombstones: {type: flag, when: [{path: deleted, any_of: ["true"]}]}
    events:
      - type: support.requested
        occurred_at: {path: opened, format: epoch_ms}
        channel: web
        entity: by
"""


class Kinto:
    """A client that writes what the declaration reads. Kinto takes the time of a change from whoever makes it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.auth = (USER, PASSWORD)
        for place in ("/buckets/desk", "/buckets/desk/collections/tickets"):
            self._send("PUT", place)

    def put(self, name: str, at: dt.datetime) -> None:
        """Write a record, or a record anew."""
        millis = int(at.timestamp() * 1000)
        self._send("PUT", f"{PATH}/{name}", {"last_modified": millis, "opened": millis, "by": "ben"})

    def delete(self, name: str, at: dt.datetime) -> None:
        self._send("DELETE", f"{PATH}/{name}?last_modified={int(at.timestamp() * 1000)}")

    def _send(self, method: str, path: str, data: dict[str, Any] | None = None) -> None:
        response = self._session.request(method, self.url + path, json={"data": data or {}}, timeout=30)
        assert response.ok, response.text


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    script = Path(__file__).with_name("kinto_server.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            # Not SIGTERM: whoever runs the tests with signals ignored hands that on to the server, which would stay.
            process.kill()


def source(url: str, password: str = PASSWORD) -> ServiceSource:
    declaration = ServiceDeclaration.model_validate(parse_yaml(DECLARATION).values)
    assert check_service(declaration) == []
    environ = {"KINTO_URL": url, "KINTO_USER": USER, "KINTO_PASSWORD": password}
    return ServiceSource(declaration, zone=ZONE, folder=Path(), environ=environ)


def read(lake: Lake, url: str, first: int, last: int, password: str = PASSWORD) -> Landing:
    asked = source(url, password)
    days = DayRange(dt.date(2026, 3, first), dt.date(2026, 3, last))
    landing = land(lake, asked, "tickets", days, run_id="r", now=dt.datetime(2026, 4, 1, tzinfo=dt.UTC))
    asked.close()
    return landing


def rows(lake: Lake, *, deleted: bool) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in lake.read(landed("kinto", "tickets")).to_pylist():
        if bool(row["deleted"]) is deleted:
            found.setdefault(row["day"].day, []).append(row["record_id"])
    return {day: sorted(names) for day, names in sorted(found.items())}


def at(day: int, hour: int, millis: int = 0) -> dt.datetime:
    return dt.datetime(2026, 3, day, hour, tzinfo=ZONE) + dt.timedelta(milliseconds=millis)


def test_kinto_is_read_record_for_record_and_day_for_day(url: str, lake: Lake, engine: Engine) -> None:
    kinto = Kinto(url)
    midnight = dt.timedelta(milliseconds=1)
    for day in (3, 4, 5, 6):
        for n in range(23):  # three pages a day
            kinto.put(f"{day}-{n:02}", at(day, n))
    kinto.put("4-first", at(4, 0) + midnight)
    kinto.put("5-last", at(6, 0) - midnight)

    landing = read(lake, url, 4, 5)
    assert landing.failures == {}
    assert landing.outside == 0
    expected = {day: [f"{day}-{n:02}" for n in range(23)] for day in (4, 5)}
    expected[4].append("4-first")
    expected[5].append("5-last")
    assert rows(lake, deleted=False) == expected
    assert rows(lake, deleted=True) == {}

    # What changes moves to the day of the change; what is deleted leaves a tombstone on the day of that.
    kinto.put("4-00", at(5, 23, 1))
    kinto.delete("4-01", at(5, 23, 2))
    assert read(lake, url, 4, 5).failures == {}
    expected[4] = [name for name in expected[4] if name not in ("4-00", "4-01")]
    expected[5] = sorted([*expected[5], "4-00"])
    assert rows(lake, deleted=False) == expected
    assert rows(lake, deleted=True) == {5: ["4-01"]}

    days = DayRange(dt.date(2026, 3, 4), dt.date(2026, 3, 5))
    map_events(engine, lake, source(url).declaration, days, run_id="r")
    events = {row["record_id"]: row for row in lake.read(EVENTS).to_pylist()}
    assert sorted(events) == sorted(expected[4] + expected[5])
    assert {row["type"] for row in events.values()} == {"support.requested"}


def test_a_wrong_password_is_refused_credentials(url: str, lake: Lake) -> None:
    Kinto(url)
    (failure,) = read(lake, url, 4, 4, password="wrong").failures.values()
    assert isinstance(failure, CredentialsRefused)
