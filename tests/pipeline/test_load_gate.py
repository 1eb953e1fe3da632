"""A service without a passed load test is warned of or, where the project requires one, not read (I2)."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from demo_site import Site

from cx_orchestration.commands.materialize import AssetFailure, materialize_project
from cx_orchestration.definitions import build_defs
from cx_orchestration.integration.loadtest.gate import declaration_digest
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange

DAY = DayRange(dt.date(2026, 6, 2), dt.date(2026, 6, 2))
OF_SURVEY = "landing/survey/responses,integration/survey/events"
CHECK = dg.AssetCheckKey(dg.AssetKey(["integration", "survey", "events"]), "load_tested")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def requiring(site: Site) -> Site:
    """The site of a project that requires load tests."""
    file: Path = site.folder / "project.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "\nload_test: {required: true}\n", encoding="utf-8")
    return site


def keep_a_test(site: Site, service: str, *, passed: bool = True) -> None:
    project = site.project
    row = {
        **dict.fromkeys(tables.LOAD_TESTS.schema.names),
        "service": service,
        "tested_at": dt.datetime(2026, 11, 2, tzinfo=dt.UTC),
        "declaration": declaration_digest(project.services[service]),
        "factor": project.settings.busy_season_factor,
        "seconds": project.settings.load_test.seconds,
        "offered": 100,
        "peak_per_hour": 2_000,
        "latency_p99": 0.5,
        "passed": passed,
        "why": "" if passed else "3 records lost",
    }
    site.lake.append(tables.LOAD_TESTS, pa.Table.from_pylist([row], schema=tables.LOAD_TESTS.schema), run_id="loadtest")


def failures_of(site: Site, instance: dg.DagsterInstance) -> list[AssetFailure]:
    """What failed of a day of the survey."""
    return materialize_project(site.project, instance, days=DAY, select=OF_SURVEY).failures


def check(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])[CHECK]
    assert record.event is not None and record.event.dagster_event is not None
    return record.event.dagster_event.asset_check_evaluation_data


def test_by_default_the_check_warns_and_the_days_land(site: Site, instance: dg.DagsterInstance) -> None:
    assert failures_of(site, instance) == []
    found = check(instance)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == (
        "survey is not tested for the busy season: it has no load test yet; run 'cx loadtest survey'."
    )


def test_a_required_test_that_is_missing_keeps_the_service_from_being_read(
    requiring: Site, instance: dg.DagsterInstance
) -> None:
    failures = failures_of(requiring, instance)
    assert [failure.asset for failure in failures] == ["landing/survey/responses"]
    assert failures[0].message == (
        "survey is not tested for the busy season: it has no load test yet; run 'cx loadtest survey'. "
        "project.yaml requires it (load_test.required)."
    )
    assert not requiring.lake.exists(tables.landed("survey", "responses"))


def test_with_a_passed_test_the_service_is_read_and_the_check_shows_the_figures(
    requiring: Site, instance: dg.DagsterInstance
) -> None:
    keep_a_test(requiring, "survey")
    assert failures_of(requiring, instance) == []
    found = check(instance)
    assert (found.passed, found.severity) == (True, dg.AssetCheckSeverity.ERROR)
    assert found.metadata["latency_p99"].value == 0.5


def test_nothing_is_requested_of_services_without_the_required_test(
    requiring: Site, instance: dg.DagsterInstance
) -> None:
    keep_a_test(requiring, "stripe")
    keep_a_test(requiring, "survey", passed=False)
    defs = build_defs(requiring.project)
    resources = dict(defs.resources or {})
    with dg.build_sensor_context(instance=instance, definitions=defs, resources=resources) as context:
        ticked = defs.get_sensor_def("integration_runs").evaluate_tick(context)
    assert {request.tags["cx/service"] for request in ticked.run_requests or []} == {"stripe"}
    with dg.build_schedule_context(
        instance=instance, resources=resources, scheduled_execution_time=dt.datetime(2026, 6, 8, 8, tzinfo=dt.UTC)
    ) as context:
        night = defs.get_schedule_def("nightly_sync").evaluate_tick(context)
    assert {request.tags["cx/service"] for request in night.run_requests or []} == {"stripe"}


def test_a_night_on_which_no_service_is_tested_says_so(requiring: Site, instance: dg.DagsterInstance) -> None:
    defs = build_defs(requiring.project)
    with dg.build_schedule_context(
        instance=instance,
        resources=dict(defs.resources or {}),
        scheduled_execution_time=dt.datetime(2026, 6, 8, 8, tzinfo=dt.UTC),
    ) as context:
        night = defs.get_schedule_def("nightly_sync").evaluate_tick(context)
    assert not night.run_requests
    assert "run 'cx loadtest survey'" in (night.skip_message or "")
