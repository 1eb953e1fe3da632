"""One federated service as a Dagster resource: ``ServiceSource`` with a life that Dagster governs.

Belongs here: what Dagster configures, opens and closes. Does not belong here: how a service is asked.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Self

import dagster as dg
from pydantic import Field, PrivateAttr

from cx_orchestration.integration.http import Shared
from cx_orchestration.integration.landing import Landing, land
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.tombstones import NO_TOMBSTONES, Tombstones
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

    _open: ExitStack = PrivateAttr(default_factory=ExitStack)
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
        self._source = None
        self._open.close()

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
            self._source = self._connected(project, project.services[self.service], self._open)
        return self._source

    def land(
        self,
        lake: Lake,
        stream: str,
        days: DayRange,
        *,
        run_id: str,
        now: dt.datetime,
        landed_until: dt.date | None = None,
        tombstones: Tombstones = NO_TOMBSTONES,
    ) -> Landing:
        """Land a range of days of one stream, as ``integration.landing.land`` does."""
        return land(
            lake,
            self.source,
            stream,
            days,
            run_id=run_id,
            now=now,
            landed_until=landed_until,
            tombstones=tombstones,
        )

    @contextmanager
    def of(self, project: CXProject) -> Iterator[ServiceSource]:
        """The service as an already loaded project declares it, on a connection of its own."""
        with ExitStack() as stack:
            yield self._connected(project, project.services[self.service], stack)

    @contextmanager
    def apart(self, project: CXProject) -> Iterator[ServiceSource]:
        """The service on a connection of its own, one attempt a request: what asks it may outlive this resource."""
        declaration = project.services[self.service]
        client = declaration.client and declaration.client.model_copy(update={"max_attempts": 1})
        with ExitStack() as stack:
            yield self._connected(project, declaration.model_copy(update={"client": client}), stack)

    def _connected(self, project: CXProject, declaration: ServiceDeclaration, stack: ExitStack) -> ServiceSource:
        """The service, closed with the stack; so is the registry, if there is anything that all processes share."""
        # The registry is opened after the service, and needed when that closes: it gives back what it did not use.
        opened_later = stack.enter_context(ExitStack())

        def in_registry() -> Shared:
            registry = opened_later.enter_context(closing(Registry(project.registry_url(self.lake_root))))
            return Shared(RegistryUsage(registry.engine), RegistryTokens(registry.engine, project.environ))

        source = ServiceSource(
            declaration, zone=project.zone, folder=project.folder, environ=project.environ, shared=in_registry
        )
        return stack.enter_context(closing(source))


def resource_key(service: str) -> str:
    """The key under which the resource of a service is found."""
    return f"{service}_service"
