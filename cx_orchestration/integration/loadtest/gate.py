"""Which services have a load test that counts: passed, for the declaration and the busy season as they are now (I2).

Belongs here: reading the kept tests. Does not belong here: making one (``rehearsal.py``).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from cx_orchestration.integration.loadtest.verdict import LEAST_RECORDS, Load
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.settings import Settings
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

# What a declaration says about itself makes no difference to the load.
_SAID_ONLY = {"description", "owner", "freshness_hours", "quality"}


@dataclass(frozen=True)
class Gate:
    """Whether a service's load test counts, and if not why, with what to do. ``test`` is the newest test that is about
    the service as it is declared now, a row of ``tables.LOAD_TESTS``."""

    service: str
    passed: bool
    why: str
    test: dict[str, Any] | None = None

    @property
    def figures(self) -> dict[str, float]:
        """The test's numbers, those that are known."""
        numbers = {name: value for name, value in (self.test or {}).items() if type(value) in (int, float)}
        return dict(sorted(numbers.items()))


def declaration_digest(declaration: ServiceDeclaration) -> str:
    """A digest of what a declaration makes the pipeline do. Defaults that are written out change nothing."""
    declared = declaration.model_dump(mode="json", exclude_defaults=True, exclude=_SAID_ONLY)
    for stream in declared["streams"].values():
        stream.pop("description", None)
    return hashlib.sha256(orjson.dumps(declared, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def falls_short(load: Load, settings: Settings) -> str:
    """Why a test of this load does not count for the gate, however it ends; empty when it counts."""
    seconds, factor = settings.load_test.seconds, settings.busy_season_factor
    short = [
        f"{load.seconds:g} s < {seconds:g} s" if load.seconds < seconds else "",
        f"factor {load.factor:g} < {factor:g}" if load.factor < factor else "",
        f"{load.records} of {LEAST_RECORDS} records" if load.records < LEAST_RECORDS else "",
        f"a busiest hour of {load.peak_per_hour:g} < the {load.known_per_hour:g} of its history"
        if load.peak_per_hour < load.known_per_hour
        else "",
    ]
    return ", ".join(each for each in short if each)


def untested(lake: Lake, engine: Engine, services: Iterable[ServiceDeclaration], settings: Settings) -> dict[str, str]:
    """Why services may not be read for want of a load test, with what to do; empty where the project requires none."""
    if not settings.load_test.required:
        return {}
    gates = (gate(lake, engine, declaration, settings) for declaration in services)
    return {
        found.service: f"{found.why} project.yaml requires it (load_test.required)."
        for found in gates
        if not found.passed
    }


def require_load_test(lake: Lake, engine: Engine, declaration: ServiceDeclaration, settings: Settings) -> None:
    """Raises ``PermanentFailure`` for a service that may not be read for want of a load test."""
    for why in untested(lake, engine, [declaration], settings).values():
        raise PermanentFailure(why)


def gate(lake: Lake, engine: Engine, declaration: ServiceDeclaration, settings: Settings) -> Gate:
    """The newest load test of the service that is long and hard enough decides: an earlier one that was passed does not
    stand against a later one that was not."""
    service = declaration.service
    asked = {
        "service": service,
        "declaration": declaration_digest(declaration),
        "factor": settings.busy_season_factor,
        "seconds": settings.load_test.seconds,
        "records": LEAST_RECORDS,
    }
    scan = {"load_tests": lake.scan(tables.LOAD_TESTS)}
    tests = engine.query(sql_text(__package__, "load_tests_that_count.sql"), scan, asked).to_pylist()
    todo = f"run 'cx loadtest {service}'"
    if not tests:
        earlier = lake.read(tables.LOAD_TESTS, columns=["service"]).column("service").to_pylist().count(service)
        kept = (
            f"{'its load test is' if earlier == 1 else f'its {earlier} load tests are'} of another declaration, "
            f"of a smaller factor than {asked['factor']:g}, shorter than {asked['seconds']:g} s, "
            f"of fewer than {LEAST_RECORDS} records, or of a busiest hour below that of its history"
            if earlier
            else "it has no load test yet"
        )
        return Gate(service, False, f"{service} is not tested for the busy season: {kept}; {todo}.")
    newest = tests[0]
    if not newest["passed"]:
        failed = f"the load test of {newest['tested_at']:%Y-%m-%d %H:%M} UTC was not passed: {newest['why']}"
        return Gate(
            service, False, f"{service} is not fit for the busy season: {failed}; mend that and {todo}.", newest
        )
    return Gate(service, True, "", newest)
