"""``cx loadtest``: is a service's integration fit for the busy season? Replays its own records at the season's rate."""

import datetime as dt
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import orjson
import typer

from cx_orchestration.commands.options import LakeFolder, ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.commands.verdict import announcement, print_verdict
from cx_orchestration.integration.loadtest.busy_hour import Peak, history_of, peak_of
from cx_orchestration.integration.loadtest.gate import declaration_digest, falls_short
from cx_orchestration.integration.loadtest.rehearsal import Material, material_of, rehearse, sampled
from cx_orchestration.integration.loadtest.verdict import Load
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def loadtest(
    service: Annotated[str, typer.Argument(help="The service: the name of its file in services/")],
    project: ProjectFolder = Path(),
    lake: LakeFolder = None,
    factor: Annotated[
        float | None,
        typer.Option(
            min=0.001, help="Times the busiest hour; by default busy_season_factor, or more to bring enough records"
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="How long records arrive; load_test.seconds by default")
    ] = None,
    every: Annotated[float, typer.Option(min=0.01, help="Seconds between two requests for what is new")] = 1.0,
    peak_per_hour: Annotated[
        float | None, typer.Option(min=1, help="Records of the busiest hour, for a service without a history")
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="Take the busiest hour of this service's history", metavar="SERVICE")
    ] = None,
    page_size: Annotated[int, typer.Option(min=1, help="Records on a page, where the declaration does not say")] = 100,
    json: Annotated[Path | None, typer.Option(help="Write the result to this file")] = None,
) -> None:
    """Replay a service's busiest hour, times the busy season's factor, through extraction, landing and mapping.

    Everything happens on this machine in a temporary lake: the service itself is asked only if it has landed nothing
    yet. Prints rates, latencies and backlog, keeps them in the table integration/load_tests, and exits with 1 when a
    record was lost or doubled, or the backlog was not worked off in time. A test that is shorter than
    load_test.seconds, of a smaller factor than busy_season_factor, of fewer than 100 records, or of a busiest hour
    below that of the service's history does not count for the check load_tested.
    """
    if json is not None and not json.absolute().parent.is_dir():
        raise PermanentFailure(f"--json {json}: there is no folder {json.parent}; make it, or name another")
    loaded = CXProject.load(project)
    store, engine, console = Lake(lake or loaded.lake_root), Engine(), terminal()
    store.require_writable()
    now = dt.datetime.now(dt.UTC)
    try:
        with _ended_like_interrupted():
            peak, known, material = _what_to_replay(loaded, store, engine, service, peak_per_hour, like, now)
            asked = Load(
                service=service,
                declaration=declaration_digest(loaded.services[service]),
                peak_per_hour=peak.per_hour,
                peak_from=peak.source,
                factor=factor or loaded.settings.busy_season_factor,
                seconds=seconds or loaded.settings.load_test.seconds,
                every_seconds=every,
                known_per_hour=known,
            )
            load = asked if factor else asked.compressed()
            console.print(announcement(load), highlight=False)
            verdict = rehearse(
                loaded.services[service],
                load,
                material.with_note(_compression(asked, load)),
                engine,
                max_drain_seconds=loaded.settings.load_test.max_drain_seconds,
                page_size=page_size,
                now=now,
            )
    except KeyboardInterrupt:
        typer.echo("interrupted: the temporary lake is removed, and no result is kept", err=True)
        raise typer.Exit(130) from None
    store.append(tables.LOAD_TESTS, verdict.row(), run_id=f"loadtest-{uuid.uuid4()}")
    short = falls_short(load, loaded.settings)
    print_verdict(verdict, console, falls_short=short)
    if json is not None:
        json.write_bytes(orjson.dumps({**verdict.as_json(), "counts": not short}, option=orjson.OPT_INDENT_2))
    if not verdict.passed:
        raise typer.Exit(1)


def _what_to_replay(
    project: CXProject,
    lake: Lake,
    engine: Engine,
    service: str,
    peak_per_hour: float | None,
    like: str | None,
    now: dt.datetime,
) -> tuple[Peak, int, Material]:
    """The busiest hour to test for, that of what has landed (0 if nothing has), and the records."""
    declaration = _declared(project, service)
    history = history_of(lake, engine, service, declaration.streams)
    peak = peak_of(
        service,
        history,
        min_days=project.settings.load_test.min_history_days,
        given=peak_per_hour,
        like=like,
        history_of_like=history_of(lake, engine, like, _declared(project, like).streams) if like else None,
        customers_per_year=max(
            (row.customers_per_year for row in project.inventory if row.service == service), default=0
        ),
    )
    if history is not None:
        return peak, history.per_hour, material_of(lake, engine, declaration, history).with_note(peak.note)
    days = project.days(now)
    if days is None:
        raise PermanentFailure(
            f"{service} has landed nothing, and no day of the project is over yet to take records from"
        )
    with FederatedService(project=str(project.folder), service=service, lake_root=str(lake.root)).opened() as opened:
        return peak, 0, sampled(opened.source, engine, days, now=now).with_note(peak.note)


def _compression(asked: Load, load: Load) -> str:
    if load == asked:
        return ""
    bring = "brings 1 record" if asked.records == 1 else f"brings {asked.records} records"
    return (
        f"factor {asked.factor:g} {bring} in {asked.seconds:g} s, which says nothing: "
        f"replayed with factor {load.factor:,.0f}, {load.records} records"
    )


def _declared(project: CXProject, service: str) -> ServiceDeclaration:
    if service not in project.services:
        known = ", ".join(project.services) or "none"
        raise PermanentFailure(f"{project.folder} declares no service '{service}'; it has {known}")
    return project.services[service]


@contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """SIGTERM, which would end the process where it stands, removes the temporary lake as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
