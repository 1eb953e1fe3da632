"""A rollout limits what is integrated; widening it backfills what is missing, narrowing it takes nothing away."""

import datetime as dt
from typing import Any

import dagster as dg
import pytest
from demo_site import Site

from cx_orchestration.definitions import build_defs
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.sensors.nightly import nightly_needs

NIGHT = dt.datetime(2026, 6, 10, 7, 30, tzinfo=dt.UTC)
CHARGES = tables.landed("stripe", "charges")


def roll_out(site: Site, rollout: str) -> None:
    file = site.folder / "project.yaml"
    text = file.read_text(encoding="utf-8").split("\nrollout:")[0]
    file.write_text(f"{text}\nrollout: {rollout}\n", encoding="utf-8")


def tick(site: Site, instance: dg.DagsterInstance) -> Any:
    defs = build_defs(site.project)
    with dg.build_sensor_context(instance=instance, definitions=defs, resources=dict(defs.resources or {})) as context:
        return defs.get_sensor_def("integration_runs").evaluate_tick(context)


def execute(site: Site, instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    return (
        build_defs(site.project)
        .resolve_job_def("integration")
        .execute_in_process(
            instance=instance, asset_selection=list(request.asset_selection or []), tags=dict(request.tags)
        )
    )


def keys(request: dg.RunRequest) -> set[str]:
    return {key.to_user_string() for key in request.asset_selection or ()}


@pytest.fixture
def instance() -> Any:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def test_a_run_reads_the_rollouts_streams_alone_and_coverage_agrees(site: Site) -> None:
    roll_out(site, "{streams: {stripe: [charges]}}")
    result = site.run(select="group:landing or group:integration")
    assert (result.failures, result.services) == ([], ["stripe"])
    assert [path for path in site.lake.paths() if path.startswith("landing/")] == ["landing/stripe/charges"]
    status = {row["service"]: row["status"] for row in site.lake.read(tables.COVERAGE).to_pylist()}
    assert status.pop("stripe") == "complete"
    assert set(status.values()) == {"not integrated"}
    assert "rollout.streams.stripe" in result.outside["stripe"]


def test_widening_to_more_streams_backfills_those_and_reads_nothing_again(
    site: Site, instance: dg.DagsterInstance
) -> None:
    roll_out(site, "{streams: {stripe: [charges]}}")
    (first,) = tick(site, instance).run_requests
    assert keys(first) == {"landing/stripe/charges", "integration/stripe/events"}
    assert execute(site, instance, first).success
    assert not tick(site, instance).run_requests
    read_once = site.lake.version(CHARGES)

    roll_out(site, "{streams: {stripe: all}}")
    (wider,) = tick(site, instance).run_requests
    others = {f"landing/stripe/{name}" for name in site.project.services["stripe"].streams if name != "charges"}
    assert keys(wider) == others | {"integration/stripe/events"}
    assert execute(site, instance, wider).success
    assert not tick(site, instance).run_requests
    assert site.lake.version(CHARGES) == read_once
    states = site.registry.days("stripe", site.project.services["stripe"].streams)
    assert set(site.project.days() or ()) == {day for day, state in states.items() if state.integrated}


def test_widening_to_earlier_days_backfills_those_days_alone(site: Site, instance: dg.DagsterInstance) -> None:
    roll_out(site, "{since: 2026-06-09, streams: {survey: all}}")
    (late,) = tick(site, instance).run_requests
    assert execute(site, instance, late).success
    roll_out(site, "{streams: {survey: all}}")
    (early,) = tick(site, instance).run_requests
    assert early.tags["dagster/asset_partition_range_start"] == "2026-06-01"
    assert early.tags["dagster/asset_partition_range_end"] == "2026-06-08"


def test_narrowing_leaves_what_is_landed_and_asks_for_nothing(site: Site, instance: dg.DagsterInstance) -> None:
    roll_out(site, "{streams: {stripe: all, survey: all}}")
    site.run(select="group:landing or group:integration")
    before = site.hashes()
    roll_out(site, "{since: 2026-06-05, streams: {survey: all}}")
    assert not tick(site, instance).run_requests
    site.run(DayRange(dt.date(2026, 6, 5), dt.date(2026, 6, 6)), select="landing/*,integration/*/events")
    assert {path: digest for path, digest in site.hashes().items() if path in before} == before


@pytest.mark.parametrize(
    ("rollout", "reason"),
    [
        ("{streams: {stripe: [refunds]}}", "rollout.streams.stripe does not name it"),
        ("{since: 2026-06-05}", "the days 2026-06-05..2026-06-12 are due"),
    ],
)
def test_an_asset_outside_of_the_rollout_skips_and_says_why(
    site: Site, instance: dg.DagsterInstance, rollout: str, reason: str
) -> None:
    roll_out(site, rollout)
    key = dg.AssetKey(["landing", "stripe", "charges"])
    result = (
        build_defs(site.project)
        .resolve_job_def("integration")
        .execute_in_process(instance=instance, asset_selection=[key], partition_key="2026-06-02")
    )
    assert result.success
    assert result.asset_materializations_for_node("landing__stripe__charges") == []
    assert not site.lake.exists(CHARGES)
    (seen,) = instance.fetch_observations(key, limit=5).records
    assert reason in str(seen.asset_observation.metadata["skipped"].value)


def test_the_events_of_a_service_outside_of_the_rollout_are_left_as_they_are(
    site: Site, instance: dg.DagsterInstance
) -> None:
    roll_out(site, "{streams: {survey: all}}")
    site.run(select="landing/survey/*,integration/survey/events")
    before = site.lake.version(tables.EVENTS)
    roll_out(site, "{streams: {stripe: all}}")
    key = dg.AssetKey(["integration", "survey", "events"])
    result = (
        build_defs(site.project)
        .resolve_job_def("integration")
        .execute_in_process(instance=instance, asset_selection=[key], partition_key="2026-06-02")
    )
    assert result.success
    assert site.lake.version(tables.EVENTS) == before
    assert "rollout.streams does not name survey" in str(instance.fetch_observations(key, limit=1).records)


def test_the_nightly_sync_reads_the_rollouts_days_and_streams(site: Site) -> None:
    roll_out(site, "{since: 2026-06-08, streams: {stripe: [charges]}}")
    assert nightly_needs(site.project, "survey", site.registry, NIGHT) == []
    (need,) = nightly_needs(site.project, "stripe", site.registry, NIGHT)
    assert (str(need.days), need.streams) == ("2026-06-08..2026-06-09", ("charges",))
    assert nightly_needs(site.project, "stripe", site.registry, NIGHT - dt.timedelta(days=2)) == []
