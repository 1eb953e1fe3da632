"""What a run has to show for itself: plan, records, customers, journeys, findings, read from the lake."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cx_orchestration.commands.materialize import Materialized
from cx_orchestration.integration.failed import FailedRange, Folders, failed_ranges
from cx_orchestration.integration.rejections import count_records
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import MAPPING, Registry
from cx_orchestration.storage.scan import Scan

FINDINGS = {
    "abandonment_hotspots": tables.ABANDONMENT_HOTSPOTS,
    "support_shifts": tables.SUPPORT_SHIFTS,
    "profitable_paths": tables.PROFITABLE_PATHS,
    "change_priorities": tables.CHANGE_PRIORITIES,
    "incidents": tables.INCIDENTS,
}

_TITLES = {
    "abandonment_hotspots": "Abandonment hotspots: share who give up, against the others at the step",
    "support_shifts": "Support shifts: share who turn to support, against the others at the step",
    "profitable_paths": "Profitable paths: revenue per customer, against the others; with less support",
    "change_priorities": "Change priorities: what a repair is worth, with its 95% interval",
    "incidents": "Incidents: share of the visits in a period that gave up or turned to support, against other times",
}
_CLUSTER = ["step", "segment", "segment_value", "n", "value", "baseline", "effect_low", "effect_high", "p_adjusted"]
_CHANGE = ["change", "n", "net_value_low", "net_value", "net_value_high", "p_adjusted"]
_INCIDENT = [
    "step",
    "outcome",
    "segment",
    "segment_value",
    "from_day",
    "until_day",
    "is_over",
    "n",
    "value",
    "baseline",
]
_MOST_RANGES = 5

Row = dict[str, Any]


@dataclass(frozen=True)
class Summary:
    """The result of a run in numbers.

    ``services`` is about the asked ``days`` alone: distinct records landed, events and rejected records, days that are
    left failed, and in ``refused`` why the service, or a part of it, is not integrated. ``customers``, ``events``
    (distinct), ``journeys`` and ``findings``, the rows that count as findings by analysis, are about the whole lake,
    because customers and journeys do not end with the asked days. ``failures`` has one row per asset and reason, with
    the days of that reason; an asset that is not of days, or failed before it came to any, has none. ``rerun`` has the
    options of ``cx run`` that make it and all that follows from it, and is empty where that would fail again until
    people have looked. ``notes`` say what was odd about what services sent and people decided. ``asked`` has the keys
    of the assets that were asked for, ``None`` for all; ``not_made`` of those that are as an earlier run left them,
    because something failed.
    """

    days: str
    plan: list[Row]
    services: list[Row]
    customers: int
    events: int
    journeys: list[Row]
    findings: dict[str, list[Row]]
    failures: list[Row]
    notes: list[str]
    asked: list[str] | None
    not_made: list[str]

    def was_asked_for(self, key: str) -> bool:
        """Whether an asset, or one whose key begins with these characters, was asked for."""
        return self.asked is None or any(asked.startswith(key) for asked in self.asked)

    def title(self, title: str, table: tables.Table) -> str:
        """A title over the rows of a table, which says so when they are not of this run."""
        return (
            f"{title} [red](of an earlier run: see what failed below)[/red]" if table.path in self.not_made else title
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def summarise(materialized: Materialized, lake: Lake, engine: Engine, registry: Registry) -> Summary:
    """Read the summary of what ``materialized`` left in the lake."""
    days = materialized.days
    asked = {"day": (days.first, days.last)}
    events = _by_service(engine, lake.scan(tables.EVENTS, asked), "count(DISTINCT event_id)")
    rejected = _by_service(
        engine, lake.scan(tables.REJECTED_RECORDS, asked), "count(DISTINCT stream || chr(0) || record_id)"
    )
    attempts = [attempt for attempt in registry.latest() if attempt.day in days]
    services = [
        {
            "service": service,
            "records": sum(
                count_records(lake, engine, service, stream, days)
                for stream in sorted({a.stream for a in attempts if a.service == service and a.stream != MAPPING})
            ),
            "events": events.get(service, 0),
            "rejected": rejected.get(service, 0),
            "failed_days": len({a.day for a in attempts if a.service == service and a.outcome == "failed"}),
            "refused": materialized.refused.get(service) or materialized.outside.get(service, ""),
        }
        for service in [*materialized.services, *materialized.refused]
    ]
    findings = {
        name: _rows(engine, lake, table, "SELECT * FROM rows WHERE is_finding ORDER BY p_adjusted, finding_id")
        for name, table in FINDINGS.items()
    }
    plan = "SELECT rank, service, impact_score, complexity_score, disposition, status FROM rows ORDER BY rank"
    journeys = (
        "SELECT journey, status, count(*) AS instances, sum(revenue)::DOUBLE AS revenue, "
        "sum(support_events)::BIGINT AS support_events FROM rows GROUP BY journey, status ORDER BY journey, status"
    )
    return Summary(
        days=str(days),
        plan=_rows(engine, lake, tables.INTEGRATION_PLAN, plan),
        services=services,
        customers=_rows(engine, lake, tables.CUSTOMERS, "SELECT count(*) AS n FROM rows")[0]["n"],
        events=_rows(engine, lake, tables.EVENTS, "SELECT count(DISTINCT event_id) AS n FROM rows")[0]["n"],
        journeys=_rows(engine, lake, tables.INSTANCES, journeys),
        findings=findings,
        failures=list(_reasons(materialized, _left_failed(materialized, registry))),
        notes=materialized.notes,
        asked=materialized.asked,
        not_made=sorted(materialized.not_made),
    )


def print_summary(summary: Summary, console: Console, folders: Folders) -> None:
    """Show what was asked for of a summary on a terminal. ``folders`` are those that commands for what failed have to
    name."""
    if summary.was_asked_for(tables.INTEGRATION_PLAN.path):
        _print_table(console, summary.title("Integration plan", tables.INTEGRATION_PLAN), summary.plan)
    services = [
        row
        for row in summary.services
        if any(summary.was_asked_for(f"{phase}/{row['service']}/") for phase in ("landing", "integration"))
    ]
    if services or summary.asked is None:
        _print_table(console, f"Services, {summary.days} only", [_without(row, "refused") for row in services])
    for row in services:
        if row["refused"]:
            console.print(f"  {row['service']}: {escape(row['refused'])}")
    for note in summary.notes:
        console.print(f"  note: {escape(note)}", highlight=False)
    if summary.was_asked_for(tables.CUSTOMERS.path) or summary.was_asked_for(tables.EVENTS.path):
        whole = f"{summary.customers:,} customers, {summary.events:,} events"
        title = summary.title("The whole lake, whatever days were asked for", tables.CUSTOMERS)
        console.print(f"\n{title}: {whole}", style="bold", highlight=False)
    if summary.was_asked_for(tables.INSTANCES.path):
        _print_table(console, summary.title("Journeys", tables.INSTANCES), summary.journeys)
    for analysis, rows in summary.findings.items():
        if summary.was_asked_for(FINDINGS[analysis].path):
            shown = {"change_priorities": _CHANGE, "incidents": [*_INCIDENT, "p_adjusted"]}.get(analysis, _CLUSTER)
            title = summary.title(_TITLES[analysis], FINDINGS[analysis])
            _print_table(console, title, [{key: row[key] for key in shown} for row in rows])
    for failure in summary.failures:
        what = f"{failure['asset']} {failure['days']}".strip()
        console.print(f"[red]failed[/red] {escape(what)}: {escape(failure['message'])}")
        if failure["rerun"] and not failure["days"]:
            command = shlex.join(["cx", "run", *folders.options, *failure["rerun"]])
            console.print(f"  again, with what follows from it: {command}", markup=False, soft_wrap=True)
    if any(failure["days"] for failure in summary.failures):
        console.print(f"{folders.failed} lists them with the command that reruns each", markup=False, soft_wrap=True)


def _left_failed(materialized: Materialized, registry: Registry) -> list[FailedRange]:
    left = (each for each in registry.left_failed() if each.attempt.day in materialized.days)
    attempted = [each for each in left if each.attempt.service in materialized.services]
    streams: dict[str, set[str]] = {}
    for each in attempted:
        streams.setdefault(each.attempt.service, set()).add(each.attempt.stream)
    return failed_ranges(attempted, streams)


def _reasons(materialized: Materialized, left: Sequence[FailedRange]) -> Iterator[Row]:
    """Per failed asset each reason with its days. A step tells its first reason alone, the registry knows all."""
    failures = materialized.failures
    of_step = {failure.asset: [failure.asset, *failure.with_it] for failure in failures}
    for asset, assets in of_step.items():
        days: dict[str, list[DayRange]] = {}
        for each in left:
            if each.assets[0] == asset:
                days.setdefault(each.message, []).append(each.days)
        awaits_people = any(failure.awaits_people for failure in failures if failure.asset == asset)
        rerun = [] if awaits_people else _rerun(assets, materialized.days)
        told = dict.fromkeys(failure.message for failure in failures if failure.asset == asset)
        without = [(message, "") for message in told if message not in days]
        for message, listed in [*without, *((why, _listed(ranges)) for why, ranges in days.items())]:
            yield {"asset": asset, "days": listed, "message": message, "rerun": rerun}


def _rerun(assets: Sequence[str], days: DayRange) -> list[str]:
    """The options of ``cx run`` for the assets of a step and all that follows from them."""
    is_of_days = any(asset.startswith("landing/") or asset.endswith("/events") for asset in assets)
    asked = ["--since", str(days.first), "--until", str(days.last)] if is_of_days else []
    return [*asked, "--select", " or ".join(f'key:"{asset}"+' for asset in assets)]


def _listed(ranges: Sequence[DayRange]) -> str:
    further = len(ranges) - _MOST_RANGES
    shown = ", ".join(map(str, ranges[:_MOST_RANGES]))
    return f"{shown} and {further} more" if further > 0 else shown


def _by_service(engine: Engine, rows: Scan, count: str) -> dict[str, int]:
    counted = engine.query(f"SELECT service, {count} AS n FROM rows GROUP BY service", {"rows": rows})
    return {row["service"]: row["n"] for row in counted.to_pylist()}


def _rows(engine: Engine, lake: Lake, table: tables.Table, sql: str) -> list[Row]:
    return engine.query(sql, {"rows": lake.scan(table)}).to_pylist()  # type: ignore[no-any-return]


def _without(row: Row, key: str) -> Row:
    return {name: value for name, value in row.items() if name != key}


def _print_table(console: Console, title: str, rows: list[Row]) -> None:
    if not rows:
        console.print(f"\n[bold]{title}[/bold]: none")
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in rows[0]:
        number = all(isinstance(row[name], int | float) or row[name] is None for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    console.print()
    console.print(table)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
