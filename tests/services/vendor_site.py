"""A ready-made declaration at work: against a server, into a lake, to events and profiles.

Belongs here: what a test of a vendor needs to land days and look at them. Does not belong here: one vendor's servers
and cases.
"""

import datetime as dt
import re
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.compute as pc
from pytest_httpserver import HTTPServer
from vendor_server import Clock, Server

from cx_orchestration.integration.http import ServiceSession
from cx_orchestration.integration.landing import Landing, land
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.profiles import map_profiles
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.tables import EVENTS, landed
from cx_orchestration.project.ready_made import READY_MADE
from cx_orchestration.project.yaml_files import read_yaml
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

Change = Callable[[dict[str, Any]], None]


def march(day: int) -> dt.date:
    return dt.date(2024, 3, day)


def declared(vendor: str, url: str, change: Change | None = None, *, own_rate: bool = False) -> ServiceDeclaration:
    """The ready-made declaration at another address, and unless it keeps its ``own_rate`` as fast as it can;
    ``change`` alters its YAML first."""
    values = dict(read_yaml(READY_MADE / f"{vendor}.yaml").values)
    values["client"] = {**values["client"], "base_url": url}
    if not own_rate:
        values["client"]["rate"] = {"per_second": 100_000}
    if change is not None:
        change(values)
    return ServiceDeclaration.model_validate(values)


def site(
    httpserver: HTTPServer,
    lake: Lake,
    vendor: str,
    server: Server,
    environ: Mapping[str, str],
    change: Change | None = None,
    *,
    zone: str = "UTC",
    own_rate: bool = False,
) -> "Site":
    """A company that reads ``server`` by the ready-made declaration of ``vendor``."""
    httpserver.expect_request(re.compile(".*")).respond_with_handler(server)
    url = httpserver.url_for("").rstrip("/")
    declaration = declared(vendor, url, change, own_rate=own_rate)
    return Site(declaration, server, lake, environ, zone=zone, own_rate=own_rate)


class Site:
    """A company that uses one vendor. The client's waiting moves the server's clock and takes no time."""

    def __init__(
        self,
        declaration: ServiceDeclaration,
        server: Server,
        lake: Lake,
        environ: Mapping[str, str],
        *,
        zone: str = "UTC",
        own_rate: bool = False,
    ) -> None:
        self.declaration, self.server, self.lake = declaration, server, lake
        self.clock: Clock = server.clock
        self.source = ServiceSource(declaration, zone=ZoneInfo(zone), folder=Path(), environ=environ)
        assert declaration.client is not None
        clock = (lambda: self.clock.epoch) if own_rate else time.time
        self.source.__dict__["session"] = ServiceSession(
            declaration.service, declaration.client, environ, sleep=self.clock.sleep, clock=clock
        )

    def land(self, stream: str, first: int, last: int | None = None) -> Landing:
        days = DayRange(march(first), march(last or first))
        return land(self.lake, self.source, stream, days, run_id="run", now=self.clock.now)

    def landed(self, stream: str, first: int, last: int | None = None) -> dict[int, list[str]]:
        """Land days, all of which must land; the ids of each day of the table."""
        failures = self.land(stream, first, last).failures
        assert not failures, [str(each) for each in failures.values()]
        return self.ids(stream)

    def ids(self, stream: str) -> dict[int, list[str]]:
        """The ids of what was there, by day."""
        return self._by_day(stream, deleted=False)

    def deleted(self, stream: str) -> dict[int, list[str]]:
        """The ids of what was deleted, by day."""
        return self._by_day(stream, deleted=True)

    def _by_day(self, stream: str, *, deleted: bool) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for row in self.lake.read(landed(self.declaration.service, stream)).to_pylist():
            if bool(row["deleted"]) is deleted:
                found.setdefault(row["day"].day, []).append(row["record_id"])
        return {day: sorted(ids) for day, ids in sorted(found.items())}

    def events(self, engine: Engine, first: int, last: int) -> list[tuple[Any, ...]]:
        """Type, minute, channel, customer, amount and currency of all events of the days, in their order."""
        map_events(engine, self.lake, self.declaration, DayRange(march(first), march(last)), run_id="run")
        by = [("occurred_at", "ascending"), ("type", "ascending"), ("entity", "ascending")]
        table = self.lake.read(EVENTS)
        rows = table.take(pc.sort_indices(table, by)).to_pylist()
        return [
            (
                row["type"],
                row["occurred_at"].strftime("%d %H:%M"),
                row["channel"],
                row["entity"],
                row["amount"] if row["amount"] is None else Decimal(row["amount"]).normalize(),
                row["currency"],
            )
            for row in rows
        ]

    def scores(self) -> list[tuple[str, float]]:
        """Kind and value of all scores."""
        rows = self.lake.read(EVENTS).to_pylist()
        return sorted((row["score_kind"], row["score"]) for row in rows if row["score"] is not None)

    def profiles(self, engine: Engine) -> dict[str, dict[str, Any]]:
        rows = map_profiles(engine, self.lake, {self.declaration.service: self.declaration}).profiles.to_pylist()
        return {row["entity"]: row for row in rows}
