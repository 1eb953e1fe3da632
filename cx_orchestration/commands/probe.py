"""``cx probe``: a canary of one service: does it answer as declared, stream by stream?"""

import datetime as dt
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cx_orchestration.commands.options import ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.integration.probe.canary import Probe
from cx_orchestration.integration.probe.findings import ProbeReport
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red", "not applicable": "dim"}
_WORDS = {"not applicable": "-"}
_A_DAY_FORMAT = ["%Y-%m-%d"]


def probe(
    service: Annotated[str, typer.Argument(help="The service: the name of its file in services/")],
    project: ProjectFolder = Path(),
    stream: Annotated[list[str] | None, typer.Option(help="Only this stream; may be given again")] = None,
    since: Annotated[
        dt.datetime | None, typer.Option(formats=_A_DAY_FORMAT, help="First day of a window that holds records")
    ] = None,
    until: Annotated[dt.datetime | None, typer.Option(formats=_A_DAY_FORMAT, help="Its last day")] = None,
    requests: Annotated[int, typer.Option(min=1, help="Requests that each stream may take")] = 30,
    json: Annotated[Path | None, typer.Option(help="Write the findings to this file")] = None,
) -> None:
    """Try what a service's declaration says: credentials, filter, bounds, clock, pages, records, mapping.

    Each stream is asked some twenty times, at the declared rate, for a window that is known to hold records: the
    newest one that does, or --since and --until. Nothing lands. Exit code 1 when a check failed.
    """
    if json is not None and not json.absolute().parent.is_dir():
        raise PermanentFailure(f"--json {json}: there is no folder {json.parent}; make it, or name another")
    loaded, elsewhere = CXProject.load_for(project, service)
    for error in elsewhere:
        typer.echo(f"warning: another service is left out: {error}", err=True)
    if service not in loaded.services:
        raise PermanentFailure(f"{project} declares no service '{service}'; it has {', '.join(loaded.services)}")
    with FederatedService(project=str(loaded.folder), service=service).of(loaded) as source:
        report = _probe(loaded, source, since, until, requests).report(stream)
    print_report(report, terminal())
    if json is not None:
        json.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
    if not report.passed:
        raise typer.Exit(1)


def _probe(
    project: CXProject, source: ServiceSource, since: dt.datetime | None, until: dt.datetime | None, requests: int
) -> Probe:
    """A probe of the days given, else of all from the project's first until now."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    first = since.date() if since else min(project.settings.start_date, now.astimezone(project.zone).date())
    last = until.date() if until else project.settings.end_date
    if last is not None and last < first:
        raise PermanentFailure(f"--until {last} lies before {first}; name a later day, or --since")
    start = DayRange(first, first).bounds(project.zone)[0]
    end = now if last is None else min(now, DayRange(last, last).bounds(project.zone)[1])
    if end <= start:
        raise PermanentFailure(f"{first} has not begun: there is nothing to ask for yet; name a --since that is over")
    return Probe(source, start, end, given=since is not None, budget=requests)


def print_report(report: ProbeReport, console: Console) -> None:
    """A table of all findings, then what to do about those that are not ok."""
    table = Table("stream", "check", "result", "what it means", box=None, pad_edge=False)
    for stream in report.streams:
        name = stream.stream
        for finding in stream.findings:
            colour, word = _COLOURS[finding.status], _WORDS.get(finding.status, finding.status)
            table.add_row(name, finding.check, f"[{colour}]{word}[/{colour}]", escape(finding.meaning))
            name = ""
        if stream.requests:
            table.add_row("", "requests", "", f"{stream.requests} of {report.budget} were needed")
        table.add_section()
    console.print(table)
    for stream in report.streams:
        for finding in stream.findings:
            if finding.advice:
                where = f"{report.service}/{stream.stream}, {finding.check}"
                console.print(f"{where}: {escape(finding.advice)}", highlight=False)
