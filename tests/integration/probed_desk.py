"""A help desk that answers as it is declared, or with one thing wrong."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from integration_fakes import ENVIRON, PERSON, SECRET, json_response, service_for
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.integration.probe.canary import Probe
from cx_orchestration.integration.probe.findings import StreamReport
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.service import ServiceDeclaration, Stream

NOW = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
FIRST = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
TICKETS: dict[str, Any] = {
    "endpoint": {
        "path": "/tickets",
        "params": {"updated_from": "{window.start}", "updated_before": "{window.end}"},
        "data_selector": "tickets",
        "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"},
        "window": {"format": "iso"},
        "order": {"by": "changed"},
        "required_keys": ["changed"],
    },
    "record_id": "id",
    "updated_at": "changed",
    "events": [
        {"type": "support.requested", "occurred_at": "changed", "channel": "web", "entity": "who", "keys": {}},
    ],
    "profile": {"entity": "who", "keys": {"email": "who"}},
}

Record = dict[str, Any]


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> dt.datetime:
    return dt.datetime(2024, 3, day, hour, minute, second, tzinfo=dt.UTC)


def ticket(number: int, when: dt.datetime, **changes: Any) -> Record:
    return {"id": f"ticket-{number}", "changed": when.isoformat(), "who": PERSON, **changes}


#: Three days of tickets, somewhat more than an hour apart.
RECORDS = [ticket(day * 100 + n, at(day, 8 + n, 4 * n, n)) for day in (7, 8, 9) for n in range(10)]


class Desk:
    """``whole`` is the length of what is looked at, however precise the bounds are; ``ignores`` are parameters that
    are not heeded; ``orders`` how many different orders are given one after the other."""

    def __init__(
        self,
        records: list[Record] | None = None,
        *,
        ignores: frozenset[str] = frozenset(),
        whole: dt.timedelta = dt.timedelta(0),
        includes_end: bool = False,
        includes_start: bool = True,
        filters_by: str = "changed",
        behind: dt.timedelta = dt.timedelta(0),
        token: str = SECRET,
        orders: int = 1,
        overlap: int = 0,
        page: int = 3,
        html: bool = False,
        extra: Callable[[int], Record] = lambda request: {},
    ) -> None:
        self.records = RECORDS if records is None else records
        self.ignores, self.whole, self.filters_by = ignores, whole, filters_by
        self.includes_end, self.includes_start = includes_end, includes_start
        self.behind, self.page = behind, page
        self.token, self.orders, self.overlap, self.html, self.extra = token, orders, overlap, html, extra
        self.asked: list[dict[str, str]] = []
        self.listings = 0

    def __call__(self, request: Request) -> Response:
        self.asked.append(dict(request.args))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return json_response({"error": f"no such token, {PERSON}"}, 401)
        if self.html:
            return Response(f"<html>Sign in, {PERSON}</html>", mimetype="text/html")
        start = int(request.args.get("cursor", "0")) + (int(request.args.get("page", "1")) - 1) * (
            self.page - self.overlap
        )
        self.listings += start == 0
        found = [record for record in self.records if self._fits(record, request)]
        turn = self.listings % self.orders if len(found) > 1 else 0
        found = found[turn:] + found[:turn]
        page = [{**record, **self.extra(len(self.asked))} for record in found[start : start + self.page]]
        following = start + self.page - self.overlap
        return json_response({"tickets": page, "next": str(following) if start + self.page < len(found) else None})

    def _fits(self, record: Record, request: Request) -> bool:
        time = self._floor(dt.datetime.fromisoformat(record[self.filters_by]))
        since, until = (
            None if name in self.ignores or name not in request.args
            else self._floor(dt.datetime.fromisoformat(request.args[name]))
            for name in ("updated_from", "updated_before")
        )  # fmt: skip
        after = since is None or time > since or (self.includes_start and time == since)
        return after and (until is None or time < until or (self.includes_end and time == until))

    def _floor(self, moment: dt.datetime) -> dt.datetime:
        return moment - (moment - NOW.replace(hour=0)) % self.whole if self.whole else moment


def probe_of(
    declaration: ServiceDeclaration, *, folder: Path = Path(), budget: int = 30, ahead: dt.timedelta = dt.timedelta(0)
) -> Probe:
    """A probe whose clock is ahead of the service's, which is that of this machine."""
    source = ServiceSource(declaration, zone=ZoneInfo("UTC"), folder=folder, environ=ENVIRON)
    return Probe(source, FIRST, NOW, budget=budget, clock=lambda: dt.datetime.now(dt.UTC) + ahead)


def probed(
    httpserver: HTTPServer, desk: Desk, stream: dict[str, Any] | None = None, *, budget: int = 30, **endpoint: Any
) -> StreamReport:
    """The findings about the desk's tickets; ``stream`` and ``endpoint`` change what is declared."""
    httpserver.expect_request("/tickets").respond_with_handler(desk)
    changed = {**TICKETS, **(stream or {}), "endpoint": {**TICKETS["endpoint"], **endpoint}}
    declaration = service_for(httpserver.url_for(""), {"tickets": Stream.model_validate(changed)}, max_attempts=1)
    probe = probe_of(declaration, budget=budget, ahead=desk.behind)
    (report,) = probe.report().streams
    probe.source.close()
    return report


def told(report: StreamReport) -> dict[str, str]:
    """Every check that is not ok, and its result."""
    return {finding.check: finding.status for finding in report.findings if finding.status != "ok"}


def said(report: StreamReport, check: str) -> str:
    """What a report says about one check, and what to do."""
    (finding,) = [finding for finding in report.findings if finding.check == check]
    return f"{finding.meaning}. {finding.advice}"
