"""The project folder and the stores as resources; each is opened when a run needs it, never at import."""

import dagster as dg
from pydantic import Field

from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry


class ProjectResource(dg.ConfigurableResource[CXProject]):
    """The project folder, read again for every run so that it sees today's decisions."""

    folder: str = Field(description="The project folder")

    def create_resource(self, context: dg.InitResourceContext) -> CXProject:  # noqa: ARG002
        return CXProject.load(self.folder)


class LakeResource(dg.ConfigurableResource[Lake]):
    """The Delta tables of the company."""

    root: str = Field(description="The folder of the lake")

    def create_resource(self, context: dg.InitResourceContext) -> Lake:  # noqa: ARG002
        return Lake(self.root)


class EngineResource(dg.ConfigurableResource[Engine]):
    """DuckDB over the lake's files."""

    memory_limit: str = Field(default="2GB", description="Beyond this, queries spill to disk")

    def create_resource(self, context: dg.InitResourceContext) -> Engine:  # noqa: ARG002
        return Engine(memory_limit=self.memory_limit)


class RegistryResource(dg.ConfigurableResource[Registry]):
    """The operational facts of the project. Its URL may hold a password, so only the folder that names it is shown."""

    folder: str = Field(description="The project folder, whose settings name the registry")
    lake_root: str = Field(description="Where the registry lies when the settings name none")

    def create_resource(self, context: dg.InitResourceContext) -> Registry:  # noqa: ARG002
        return Registry(CXProject.load(self.folder).registry_url(self.lake_root))
