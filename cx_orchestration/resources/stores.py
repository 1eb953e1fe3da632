"""The project folder and the stores as resources; each is opened when a run needs it, never at import."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from cx_orchestration.model.failures import Failure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry


def load_project(folder: str) -> CXProject:
    """The project folder; what is wrong with it becomes a failure of the run that says all of it, without a trace."""
    try:
        return CXProject.load(folder)
    except Failure as failure:
        raise dg.Failure(str(failure), allow_retries=False) from None


class ProjectResource(dg.ConfigurableResource[CXProject]):
    """The project folder, read again for every run so that it sees today's decisions."""

    folder: str = Field(description="The project folder")

    def create_resource(self, context: dg.InitResourceContext) -> CXProject:  # noqa: ARG002
        return load_project(self.folder)


class LakeResource(dg.ConfigurableResource[Lake]):
    """The Delta tables of the company."""

    root: str = Field(description="The folder of the lake")

    def create_resource(self, context: dg.InitResourceContext) -> Lake:  # noqa: ARG002
        return Lake(self.root)


class EngineResource(dg.ConfigurableResource[Engine]):
    """DuckDB over the lake's files."""

    memory_limit: str = Field(default="2GB", description="Beyond this, queries spill to disk")
    spill_folder: str = Field(default="", description="Where queries spill to; its parent must exist")

    def create_resource(self, context: dg.InitResourceContext) -> Engine:  # noqa: ARG002
        return Engine(memory_limit=self.memory_limit, temp_directory=self.spill_folder or None)


class SparkResource(dg.ConfigurableResource[Engine]):
    """Spark over the lake's files."""

    master: str = Field(description="Spark's master URL")
    config: dict[str, str] = Field(default={}, description="Spark's own settings by name")

    def create_resource(self, context: dg.InitResourceContext) -> Engine:  # noqa: ARG002
        try:
            from cx_orchestration.storage.spark import SparkEngine  # an extra, and heavy
        except ModuleNotFoundError as error:
            raise dg.Failure(
                f"project.yaml: engine is 'spark', but the package '{error.name}' is not installed: "
                "pip install 'cx-orchestration[spark]', or say engine: duckdb",
                allow_retries=False,
            ) from None
        return SparkEngine(master=self.master, config=self.config)


class RegistryResource(dg.ConfigurableResource[Registry]):
    """The operational facts of the project. Its URL may hold a password, so only the folder that names it is shown."""

    folder: str = Field(description="The project folder, whose settings name the registry")
    lake_root: str = Field(description="Where the registry lies when the settings name none")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Registry]:  # noqa: ARG002
        """The registry for the time of a run or a tick; its connections are given back afterwards."""
        registry = Registry(load_project(self.folder).registry_url(self.lake_root))
        try:
            yield registry
        finally:
            registry.close()
