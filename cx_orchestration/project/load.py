"""``CXProject``: a project folder, read and valid as a whole.

Belongs here: which files a folder has, and the project that they make. Does not belong here: how a file is read
(``yaml_files.py``, ``declared.py``) and what must agree between files (``checks.py``).
"""

import datetime as dt
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import InvalidProject, PermanentFailure, ProjectError
from cx_orchestration.model.funnel import DeclaredFunnel
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.identity_overrides import Override
from cx_orchestration.model.inventory import InventoryRow
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.scoring import Decision, Decisions, ScoringConfig
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.settings import Settings
from cx_orchestration.project.checks import check_project
from cx_orchestration.project.folder import declared_files, read_folder
from cx_orchestration.project.places import Places
from cx_orchestration.project.rollout import Due, days_since, what_is_due
from cx_orchestration.scoring.plan import Plan, build_plan


@dataclass(frozen=True)
class CXProject:
    """Everything that a company declares. ``services`` and ``journeys`` are by name, in alphabetical order."""

    folder: Path
    settings: Settings
    inventory: list[InventoryRow]
    scoring: ScoringConfig
    decisions: list[Decision]
    identity: IdentityConfig
    overrides: list[Override]
    services: dict[str, ServiceDeclaration]
    journeys: dict[str, JourneyMap]
    funnels: dict[str, DeclaredFunnel]
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(
        cls, folder: Path | str, environ: Mapping[str, str] | None = None, *, now: dt.datetime | None = None
    ) -> Self:
        """Read and check a project folder. ``environ`` and ``now`` stand in for the process's environment and clock.

        Raises ``InvalidProject`` with every error of every file. Variables that the files name are not needed yet:
        a folder can be checked where its secrets are not known.
        """
        return cls._load(folder, environ, now, None)[0]

    @classmethod
    def load_for(
        cls, folder: Path | str, service: str, environ: Mapping[str, str] | None = None
    ) -> tuple[Self, list[ProjectError]]:
        """Read a folder for the sake of one service: those whose files have errors are left out, and the errors come
        back.

        Raises ``InvalidProject``, with every error, when another file or the service's own has any.
        """
        return cls._load(folder, environ, None, service)

    @classmethod
    def load_as_far_as_possible(
        cls, folder: Path | str, environ: Mapping[str, str] | None = None
    ) -> "tuple[Self, None] | tuple[Places, InvalidProject]":
        """Read and check a folder; where it has errors, at least the places of its stores, and the errors.

        Raises ``InvalidProject`` when project.yaml cannot be read.
        """
        try:
            return cls.load(folder, environ), None
        except InvalidProject as invalid:
            settings = read_folder(Path(folder))[0].settings
            if settings is None:
                raise
            environ = os.environ if environ is None else environ
            return Places(Path(folder).resolve(), settings.stores, environ), invalid

    @classmethod
    def _load(
        cls, folder: Path | str, environ: Mapping[str, str] | None, now: dt.datetime | None, only: str | None
    ) -> tuple[Self, list[ProjectError]]:
        path = Path(folder)
        parts, errors = read_folder(path)
        errors += check_project(parts, dt.datetime.now(dt.UTC) if now is None else now)
        settings, scoring, decisions, identity = parts.settings, parts.scoring, parts.decisions, parts.identity
        errors = parts.in_order(errors)
        apart = [error for error in errors if only is not None and _is_of_another_service(error, only)]
        if len(apart) < len(errors) or settings is None or scoring is None or decisions is None or identity is None:
            raise InvalidProject(str(path), errors)
        left_out = {error.file for error in apart}
        project = cls(
            folder=path.resolve(),
            settings=settings,
            inventory=parts.inventory or [],
            scoring=scoring,
            decisions=decisions.decisions,
            identity=identity,
            overrides=list(parts.readable_overrides.values()),
            services={name: each for name, each in parts.services.items() if _file_of(name) not in left_out},
            journeys=parts.journeys,
            funnels=parts.readable_funnels,
            environ=os.environ if environ is None else environ,
        )
        return project, apart

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone in which the company's days begin and end."""
        return ZoneInfo(self.settings.time_zone)

    @cached_property
    def places(self) -> Places:
        """Where the lake and the registry are."""
        return Places(self.folder, self.settings.stores, self.environ)

    @cached_property
    def lake_root(self) -> Path:
        """The folder of the lake. Raises ``PermanentFailure`` when a variable that names it is not set."""
        return self.places.lake_root

    def registry_url(self, lake_root: Path | str | None = None) -> str:
        """The SQLAlchemy URL of the registry, as ``Places.registry_url`` says."""
        return self.places.registry_url(lake_root)

    @cached_property
    def plan(self) -> Plan:
        """What becomes of every service, and in which order."""
        decisions = Decisions(decisions=self.decisions)
        return build_plan(self.inventory, self.scoring, decisions, self.services, self.settings.strategy)

    @property
    def maps(self) -> list[JourneyMap]:
        """The journey maps, by name."""
        return list(self.journeys.values())

    def require_approval(self, service: str) -> None:
        """Raises ``PermanentFailure``, with what to do, unless people have decided to integrate the service (S4)."""
        if (refusal := self.plan.refusal(service)) is not None:
            raise PermanentFailure(refusal)

    def due(self, service: str, now: dt.datetime | None = None) -> Due:
        """Which days of which streams a declared service owes: none unless approved, and the rollout's alone."""
        return what_is_due(
            self.services[service],
            self.settings.rollout,
            self.journeys,
            days=self.days_due(now),
            refusal=self.plan.refusal(service),
        )

    def days_due(self, now: dt.datetime | None = None) -> DayRange | None:
        """Those of the project's days that the rollout holds."""
        return days_since(self.settings.rollout, self.days(now))

    def services_due(self) -> list[str]:
        """The approved services of which the rollout holds a stream, in rank order."""
        return [service for service in self.plan.approved() if self.due(service).streams]

    def streams_due(self) -> dict[str, tuple[str, ...]]:
        """By declared service, the streams that it owes; partitions of others wait for nobody."""
        return {service: self.due(service).streams for service in self.services}

    def refusals(self) -> dict[str, str]:
        """Why a declared service is not integrated, by service; those that are integrated are absent."""
        return {name: why for name in self.services if (why := self.due(name).why_nothing) is not None}

    def days(self, now: dt.datetime | None = None) -> DayRange | None:
        """The days that can be integrated: from the first day to the last, or to yesterday in the company's zone.

        ``None`` as long as the first day has not ended.
        """
        now = dt.datetime.now(dt.UTC) if now is None else now
        if now.tzinfo is None:
            raise ValueError("now must say its time zone")
        yesterday = now.astimezone(self.zone).date() - dt.timedelta(days=1)
        last = min(yesterday, self.settings.end_date or yesterday)
        return DayRange(self.settings.start_date, last) if self.settings.start_date <= last else None


def folder_digest(folder: Path | str) -> str:
    """A digest of everything declared in a folder, valid or not: another text, another digest."""
    digest = hashlib.sha256()
    for file in declared_files(Path(folder)):
        content = hashlib.sha256(file.read_bytes() if file.is_file() else b"absent").hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def _file_of(service: str) -> str:
    return f"services/{service}.yaml"


def _is_of_another_service(error: ProjectError, service: str) -> bool:
    return error.file.startswith("services/") and error.file != _file_of(service)
