"""A project folder of a served company, to be run and looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from cx_orchestration.commands.materialize import Materialized, materialize_project
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.tables import table_at
from cx_orchestration.project import CXProject
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry


@dataclass(frozen=True)
class Site:
    """A project folder of the company with the environment that its services need."""

    folder: Path
    environ: Mapping[str, str]

    @property
    def project(self) -> CXProject:
        return CXProject.load(self.folder)

    @property
    def lake(self) -> Lake:
        return Lake(self.project.lake_root)

    @property
    def registry(self) -> Registry:
        return Registry(self.project.registry_url())

    def run(
        self, days: DayRange | None = None, *, select: str | None = None, instance: dg.DagsterInstance | None = None
    ) -> Materialized:
        project = self.project
        wanted = days or project.days()
        assert wanted is not None
        with instance or dg.DagsterInstance.ephemeral() as used:
            return materialize_project(project, used, days=wanted, select=select)

    def hashes(self) -> dict[str, str]:
        return {path: self.lake.content_hash(table_at(path)) for path in self.lake.paths()}
