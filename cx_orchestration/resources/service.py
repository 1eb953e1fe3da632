"""One federated service as a Dagster resource: ``ServiceSource`` with a life that Dagster governs.

Belongs here: what Dagster configures, opens and closes. Does not belong here: how a service is asked.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Self

import dagster as dg
from pydantic import Field, PrivateAttr

from cx_orchestration.integration.http import Shared
from cx_orchestration.integration.landing import Landing, land
from cx_orchestration.integration.source import ServiceSource, StreamProbe
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.tokens import RegistryTokens
from cx_orchestration.storage.usage import RegistryUsage


class FederatedService(dg.ConfigurableResource[None]):
    """A service declared in a project folder. Its credentials are read from the environment when it is first asked."""

    project: str = Field(description="The project folder")
    service: str = Field(description="The service: the name of its file in services/")
    lake_root: str | None = Field(
        default=None, description="Where the registry lies when the settings name none; the project's lake by default"
    )

    _registry: Registry | None = PrivateAttr(default=None)
    _source: ServiceSource | None = PrivateAttr(default=None)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Close the connections."""
        self.close()

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """The resource outside of Dagster; its connections are closed when the block ends."""
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        """Close the connections, if there are any."""
        if self._source is not None:
            self._source.close()
            self._source = None
        if self._registry is not None:
            self._registry.close()
            self._registry = None

    @property
    def source(self) -> ServiceSource:
        """The service behind this resource, opened when it is first needed: one that cannot be keeps no other waiting.

        Raises ``PermanentFailure`` when the project folder does not declare it (any more).
        """
        if self._source is None:
            project = CXProject.load(self.project)
            if self.service not in project.services:
                known = ", ".join(project.services) or "none"
                raise PermanentFailure(f"{self.project} declares no service '{self.service}'; it has {known}")
            self._source = ServiceSource(
                project.services[self.service],
                zone=project.zone,
                folder=project.folder,
                environ=project.environ,
                shared=lambda: self._in_registry(project),
            )
        return self._source

    def _in_registry(self, project: CXProject) -> Shared:
        self._registry = Registry(project.registry_url(self.lake_root))
        return Shared(RegistryUsage(self._registry.engine), RegistryTokens(self._registry.engine, project.environ))

    def land(self, lake: Lake, stream: str, days: DayRange, *, run_id: str, now: dt.datetime) -> Landing:
        """Land a range of days of one stream, as ``integration.landing.land`` does."""
        return land(lake, self.source, stream, days, run_id=run_id, now=now)

    @contextmanager
    def apart(self, project: CXProject) -> Iterator[ServiceSource]:
        """The service on a connection of its own, one attempt a request: what asks it may outlive this resource."""
        declaration = project.services[self.service]
        client = declaration.client and declaration.client.model_copy(update={"max_attempts": 1})
        apart = ServiceSource(
            declaration.model_copy(update={"client": client}),
            zone=project.zone,
            folder=project.folder,
            environ=project.environ,
        )
        with closing(apart):
            yield apart

    def has_new(self, stream: str, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether there may be records of ``[start, end)``, at the cost of one page."""
        return self.source.has_new(stream, start, end)

    def dropped_since(self, stream: str, landed_at: Mapping[dt.date, dt.datetime]) -> list[dt.date]:
        """The days whose file was placed or changed after they landed; none for a service that is asked over HTTP."""
        return self.source.dropped_since(stream, landed_at)

    def probe(self, now: dt.datetime) -> list[StreamProbe]:
        """One look at each stream: are the credentials accepted, and is the first page as declared?"""
        return self.source.probe(now)


def resource_key(service: str) -> str:
    """The key under which the resource of a service is found."""
    return f"{service}_service"
