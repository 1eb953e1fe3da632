"""One company from its records on file to its findings, in this process.

Belongs here: the way from records to findings without servers and runs. Does not belong here: adding companies up.

Landing is written as one day, the last: which day a record landed in matters to nothing that follows. Who is who is
taken from the truth, so what is measured is exploration, not identity.
"""

import datetime as dt
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from cx_orchestration.commands.summary import FINDINGS
from cx_orchestration.demo.company import Company, generate
from cx_orchestration.demo.project_folder import write_project
from cx_orchestration.exploration.abandonment_hotspots import abandonment_hotspots
from cx_orchestration.exploration.change_priorities import change_priorities
from cx_orchestration.exploration.cohorts import read_cohorts
from cx_orchestration.exploration.incidents import rates_over_time
from cx_orchestration.exploration.profitable_paths import profitable_paths
from cx_orchestration.exploration.support_shifts import support_shifts
from cx_orchestration.integration.coverage import newest_day_end
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.profiles import map_profiles
from cx_orchestration.integration.records import records_reader
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.sequences import build_sequences
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

#: Those in which something is planted.
ANALYSES = {
    "abandonment_hotspots": abandonment_hotspots,
    "support_shifts": support_shifts,
    "profitable_paths": profitable_paths,
    "change_priorities": change_priorities,
}
NOW = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Explored:
    """All candidates of a company with the column analysis, its truth's seed, and the CPU-seconds of either part."""

    seed: int
    null: bool
    rows: pd.DataFrame
    prepared: float
    explored: float


def explore(seed: int, customers: int, days: int, *, null: bool) -> Explored:
    """Generate, map, fold and explore one company."""
    started = time.process_time()
    company = generate(seed, customers, days, null=null)
    with tempfile.TemporaryDirectory() as scratch:
        project = CXProject.load(write_project(Path(scratch) / "project", company))
        lake, engine = Lake(Path(scratch) / "lake"), Engine()
        _fill(lake, engine, company, project)
        as_of = newest_day_end(lake, project.zone, start=project.settings.start_date)
        fold_journeys(
            lake,
            engine,
            project.maps,
            as_of=as_of,
            currency=project.settings.currency,
            support_contact_cost=project.settings.exploration.support_contact_cost,
            run_id="bench",
        )
        prepared = time.process_time()
        cohorts = read_cohorts(lake, engine, project.maps, as_of=as_of)
        found = {name: analyse(engine, cohorts, project.settings) for name, analyse in ANALYSES.items()}
        visits = read_cohorts(lake, engine, project.maps, as_of=as_of, every_visit=True)
        found["incidents"] = rates_over_time(engine, visits, project.settings).incidents
        rows = pd.concat(found[name].to_pandas().assign(analysis=name) for name in FINDINGS)
        return Explored(seed, null, rows, prepared - started, time.process_time() - prepared)


def _fill(lake: Lake, engine: Engine, company: Company, project: CXProject) -> None:
    """Everything up to the sequences."""
    last = DayRange(company.days.last, company.days.last)
    for declaration in project.services.values():
        _land(lake, declaration, company, last.first)
        map_events(engine, lake, declaration, last, run_id="bench")
    profiles = map_profiles(engine, lake, project.services).profiles
    lake.replace(tables.PROFILES, profiles, run_id="bench")
    who = company.truth.who
    known = {
        "service": pa.array(who["service"], pa.string()),
        "entity": pa.array(who["entity"], pa.string()),
        "customer_id": pa.array([f"person-{number:06}" for number in who["person"]]),
    }
    schema = tables.IDENTITY_MAP.schema
    identities = [known.get(field.name, pa.nulls(len(who), field.type)) for field in schema]
    lake.replace(tables.IDENTITY_MAP, pa.table(identities, schema=schema), run_id="bench")
    build_sequences(lake, engine, run_id="bench")


def _land(lake: Lake, declaration: ServiceDeclaration, company: Company, day: dt.date) -> None:
    for name, stream in declaration.streams.items():
        on_file = company.records[declaration.service][name].records
        records = records_reader(stream.record_id, stream.updated_at)(on_file, True)
        table = tables.landed(declaration.service, name)
        columns = {
            "record_id": pa.array([record.record_id for record in records], pa.string()),
            "updated_at": pa.array([record.updated_at for record in records], pa.int64()).cast(tables.UTC_MICROSECONDS),
            "extracted_at": pa.array([NOW] * len(records), tables.UTC_MICROSECONDS),
            "payload": pa.array([record.payload for record in records], pa.string()),
            "deleted": pa.array([False] * len(records)),
            "day": pa.array([day] * len(records), pa.date32()),
        }
        lake.replace(
            table,
            pa.table([columns[field.name] for field in table.schema], schema=table.schema),
            where={"day": (day, day)},
            run_id="bench",
        )
