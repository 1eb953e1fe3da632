"""The company of ``cx demo``, at its default size: what was planted is found, and where nothing was, nothing is.

Its records are landed as they lie on file, without HTTP; mapping, identity, journeys and exploration are the real ones.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_site import Site

from cx_orchestration.commands.demo import DemoCompany, held_against_truth, wrong_findings
from cx_orchestration.demo.company import Company, generate
from cx_orchestration.demo.project_folder import write_project
from cx_orchestration.integration.landing import land
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.records import Batch, record_reader
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration, Stream
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine

DEFAULT = DemoCompany()
SPANNING_PHASES = "group:identity or group:journeys or group:exploration"


class OnFile:
    """A service whose records are read where the company keeps them, by the declaration that reads its pages."""

    requests = 0

    def __init__(self, declaration: ServiceDeclaration, company: Company, project: CXProject) -> None:
        self.service = declaration.service
        self._declaration = declaration
        self._records = company.records[declaration.service]
        self.zone = project.zone

    def chunks(self, stream: str, days: DayRange) -> list[DayRange]:
        return [days]

    def divisible(self, stream: str) -> bool:
        return False

    def stream(self, name: str) -> Stream:
        return self._declaration.streams[name]

    def read(self, stream: str, days: DayRange) -> Iterator[Batch]:
        declared = self._declaration.streams[stream]
        read = record_reader(declared.record_id, declared.updated_at)
        yield [read(record, True) for record in self._records[stream].records], None


def explored(folder: Path, company: Company) -> Site:
    """A project in which the whole company has been landed, mapped, resolved, folded and explored."""
    site = Site(write_project(folder, company), {})
    project, lake = site.project, site.lake
    for declaration in project.services.values():
        source = OnFile(declaration, company, project)
        for stream in declaration.streams:
            landed = land(lake, source, stream, company.days, run_id="r", now=dt.datetime(2026, 10, 1, tzinfo=dt.UTC))
            assert landed.failures == {}
            assert sum(landed.records.values()) == len(company.records[declaration.service][stream])
        map_events(Engine(), lake, declaration, company.days, run_id="r")
    assert site.run(company.days, select=SPANNING_PHASES).failures == []
    return site


@pytest.mark.parametrize("null", [False, pytest.param(True, marks=pytest.mark.long)], ids=["planted", "null"])
def test_every_planted_finding_is_found_and_nothing_else(tmp_path: Path, null: bool) -> None:
    company = generate(DEFAULT.seed, DEFAULT.customers, DEFAULT.days, null=null)
    site = explored(tmp_path / "project", company)
    compared = held_against_truth(site.lake, company.truth)
    assert len(compared.findings.found) == len(company.truth.planted) == (0 if null else 4)
    assert wrong_findings(compared) == []
    assert compared.identity.pairs.precision.value > 0.995
    assert compared.identity.pairs.recall.value > 0.965
    assert compared.traces.traced_recall > 0.97
