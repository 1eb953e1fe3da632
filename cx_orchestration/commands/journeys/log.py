"""``cx journeys log``: journeys as an event log for the tools that analysts use."""

from pathlib import Path
from typing import Annotated

import orjson
import pyarrow.csv as csv
import pyarrow.parquet as pq
import typer

from cx_orchestration.commands.options import LakeToRead, ProjectFolder, refuse_unwritable
from cx_orchestration.journeys.event_log import event_log, ocel
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

_OCEL = ".jsonocel"


def log(
    out: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .csv, .parquet or .jsonocel (OCEL 2.0) file", show_default=False)
    ],
    project: ProjectFolder = Path(),
    lake: LakeToRead = None,
    journey: Annotated[str | None, typer.Option(help="One journey only", show_default=False)] = None,
) -> None:
    """Write journeys as an event log: case, activity, time and where it stood. It has customer ids, but no names."""
    refuse_unwritable(out, ".csv", ".parquet", _OCEL)
    loaded = CXProject.load(project)
    if journey is not None and journey not in loaded.journeys:
        known = ", ".join(loaded.journeys) or "none"
        raise PermanentFailure(f"there is no journey '{journey}' in {loaded.folder}; its maps: {known}")
    rows = event_log(Lake(lake or loaded.lake_root), Engine(), journey)
    if out.suffix == ".csv":
        csv.write_csv(rows, out)
    elif out.suffix == ".parquet":
        pq.write_table(rows, out)
    else:
        out.write_bytes(orjson.dumps(ocel(rows)))
    typer.echo(f"Wrote {out}: {rows.num_rows:,} events of instances")
