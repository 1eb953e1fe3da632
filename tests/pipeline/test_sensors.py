"""What makes runs happen: plan order, owed days once, a visible reason when nothing is requested."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import yaml
from demo_site import Site

from cx_orchestration.definitions import build_defs
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.sensors.jobs import MAX_ATTEMPTS
from cx_orchestration.sensors.nightly import nightly_needs
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.registry import MAPPING, Attempt

NOW = dt.datetime(2026, 6, 20, 8, tzinfo=dt.UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def tick(site: Site, sensor: str, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    defs = build_defs(site.project)
    resources = dict(defs.resources or {})
    with dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs, resources=resources) as context:
        return defs.get_sensor_def(sensor).evaluate_tick(context)


def record(site: Site, service: str, outcome: str, times: int = 1) -> None:
    project = site.project
    days = project.days()
    assert days is not None
    for number in range(times):
        site.registry.record(
            Attempt(service, stream, day, f"run{number}", NOW, outcome)  # type: ignore[arg-type]
            for stream in (*project.services[service].streams, MAPPING)
            for day in days
        )


def test_owed_days_are_requested_in_plan_order_with_the_highest_priority_first(
    site: Site, instance: dg.DagsterInstance
) -> None:
    requests = tick(site, "integration_runs", instance).run_requests or []
    approved = site.project.plan.approved()
    assert [request.tags["cx/service"] for request in requests] == approved
    priorities = [int(request.tags["dagster/priority"]) for request in requests]
    assert priorities == sorted(priorities, reverse=True)
    assert len(set(priorities)) == len(approved)
    assert requests[0].tags["dagster/asset_partition_range_start"] == "2026-06-01"
    assert requests[0].tags["dagster/asset_partition_range_end"] == "2026-06-12"


def test_a_request_that_still_runs_is_asked_for_under_the_same_key(site: Site, instance: dg.DagsterInstance) -> None:
    first, second = (tick(site, "integration_runs", instance).run_requests or [] for _ in range(2))
    assert [request.run_key for request in first] == [request.run_key for request in second]


def test_days_that_failed_too_often_wait_for_a_person(site: Site, instance: dg.DagsterInstance) -> None:
    record(site, "survey", "failed", times=MAX_ATTEMPTS - 1)
    assert "survey" in {request.tags["cx/service"] for request in tick(site, "integration_runs", instance).run_requests}
    record(site, "survey", "failed")
    requests = tick(site, "integration_runs", instance).run_requests
    assert "survey" not in {request.tags["cx/service"] for request in requests}


def test_days_that_landed_often_and_failed_once_are_not_given_up(site: Site, instance: dg.DagsterInstance) -> None:
    for service in site.project.services:
        record(site, service, "landed", times=MAX_ATTEMPTS)
    record(site, "survey", "failed")
    skipped = tick(site, "integration_runs", instance)
    assert skipped.skip_message == "Every approved service has landed and mapped all its days."


def test_a_service_that_cannot_be_asked_keeps_no_other_waiting_and_is_remembered_until_it_can(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = site.environ["CX_SEGMENT_TOKEN"]
    monkeypatch.setenv("CX_SEGMENT_TOKEN", "wrong")
    requests = tick(site, "integration_runs", instance).run_requests or []
    assert "segment" not in {request.tags["cx/service"] for request in requests}
    assert len(requests) == len(site.project.plan.approved()) - 1
    (remembered,) = site.registry.unaskable.standing().values()
    assert (remembered.service, remembered.times) == ("segment", 1)
    assert "refused the credentials" in remembered.reason
    assert site.registry.waits.standing() == {}, "it is asked again at the next tick"
    monkeypatch.setenv("CX_SEGMENT_TOKEN", token)
    requests = tick(site, "integration_runs", instance).run_requests or []
    assert "segment" in {request.tags["cx/service"] for request in requests}
    assert site.registry.unaskable.standing() == {}


def test_nothing_is_requested_when_all_days_have_landed(site: Site, instance: dg.DagsterInstance) -> None:
    for service in site.project.services:
        record(site, service, "landed")
    evaluated = tick(site, "integration_runs", instance)
    assert not evaluated.run_requests
    assert evaluated.skip_message == "Every approved service has landed and mapped all its days."


def test_when_no_service_answers_the_tick_fails_and_says_why(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in site.environ:
        if name.endswith("_URL"):
            monkeypatch.delenv(name)
    with pytest.raises(dg.Failure, match="CX_SEGMENT_URL"):
        tick(site, "integration_runs", instance)


def test_days_that_need_no_answer_are_mapped_though_no_service_answers(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = site.project.days() or ()
    streams = site.project.services["survey"].streams
    site.registry.record(Attempt("survey", stream, day, "run", NOW, "landed") for stream in streams for day in days)
    for name in site.environ:
        if name.endswith("_URL"):
            monkeypatch.delenv(name)
    requests = tick(site, "integration_runs", instance).run_requests
    assert [request.tags["cx/request"] for request in requests] == [f"map:survey:{site.project.days()}"]


def test_a_cursor_of_another_time_starts_from_the_top_of_the_plan(site: Site, instance: dg.DagsterInstance) -> None:
    for garbage in (
        '{"garbage": [',
        "[]",
        '{"first": 3, "closed": "all"}',
        '{"first": "nobody", "closed": [7]}',
        "survey",
    ):
        requests = tick(site, "integration_runs", instance, cursor=garbage).run_requests or []
        assert [request.tags["cx/service"] for request in requests] == site.project.plan.approved()


def test_without_decisions_nothing_is_requested(site: Site, instance: dg.DagsterInstance) -> None:
    (site.folder / "decisions.yaml").write_text("decisions: []\n", encoding="utf-8")
    evaluated = tick(site, "integration_runs", instance)
    assert not evaluated.run_requests
    assert "decisions.yaml" in (evaluated.skip_message or "")


def nightly(site: Site, service: str, now: dt.datetime) -> list[tuple[str, tuple[str, ...]]]:
    return [(str(need.days), need.streams) for need in nightly_needs(site.project, service, site.registry, now)]


def test_the_nightly_sync_reads_yesterday_and_the_lookback_in_the_companys_time_zone(site: Site) -> None:
    after_the_hour_in_chicago = dt.datetime(2026, 6, 10, 7, 30, tzinfo=dt.UTC)
    assert nightly(site, "survey", after_the_hour_in_chicago) == [("2026-06-06..2026-06-09", ("responses",))]
    before_it = after_the_hour_in_chicago - dt.timedelta(minutes=1)
    assert nightly(site, "survey", before_it) == [("2026-06-05..2026-06-08", ("responses",))]


def test_streams_with_a_lookback_of_their_own_are_read_so_far_back_and_the_others_are_not(site: Site) -> None:
    file = site.folder / "services" / "zendesk.yaml"
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    declared["streams"].setdefault("tickets", {})["lookback_days"] = 5
    file.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
    assert nightly(site, "zendesk", dt.datetime(2026, 6, 10, 7, 30, tzinfo=dt.UTC)) == [
        ("2026-06-04..2026-06-05", ("tickets",)),
        ("2026-06-06..2026-06-09", ("users", "tickets")),
    ]


def test_the_nightly_sync_requests_one_run_a_service_best_rank_first(site: Site, instance: dg.DagsterInstance) -> None:
    defs = build_defs(site.project)
    at = dt.datetime(2026, 6, 10, 7, 30, tzinfo=dt.UTC)
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=at, resources=None) as context:
        schedule = defs.get_schedule_def("nightly_sync")
        stores = {"registry": site.registry, "lake": site.lake, "engine": Engine()}
        requests = list(schedule(context, project=site.project, **stores))  # type: ignore[arg-type]
    assert [request.tags["cx/service"] for request in requests] == site.project.plan.approved()
    assert {request.tags["dagster/asset_partition_range_end"] for request in requests} == {"2026-06-09"}


def test_the_nightly_sync_ends_with_the_project(site: Site) -> None:
    assert nightly(site, "survey", dt.datetime(2026, 9, 1, tzinfo=dt.UTC)) == []


def test_a_changed_project_is_planned_again_once_and_an_invalid_one_is_not(
    site: Site, instance: dg.DagsterInstance
) -> None:
    first = tick(site, "project_changes", instance)
    assert len(first.run_requests or []) == 1
    again = tick(site, "project_changes", instance, cursor=first.cursor)
    assert not again.run_requests
    scoring = site.folder / "scoring.yaml"
    text = scoring.read_text(encoding="utf-8")
    defs = build_defs(site.project)
    scoring.write_text(text + "\nformular: mean\n", encoding="utf-8")
    context = dg.build_sensor_context(instance=instance, cursor=first.cursor, definitions=defs)
    with context:
        invalid = defs.get_sensor_def("project_changes").evaluate_tick(context)
    assert not invalid.run_requests
    assert "scoring.yaml" in (invalid.skip_message or "")


def test_a_service_that_the_code_location_does_not_know_yet_stops_no_other(
    site: Site, instance: dg.DagsterInstance
) -> None:
    text = (site.folder / "services" / "survey.yaml").read_text(encoding="utf-8")
    (site.folder / "services" / "survey.yaml").unlink()
    defs = build_defs(site.project)
    (site.folder / "services" / "survey.yaml").write_text(text, encoding="utf-8")
    with dg.build_sensor_context(instance=instance, definitions=defs, resources=dict(defs.resources or {})) as context:
        evaluated = defs.get_sensor_def("integration_runs").evaluate_tick(context)
    requested = [request.tags["cx/service"] for request in evaluated.run_requests or []]
    assert requested == [service for service in site.project.plan.approved() if service != "survey"]


def test_customers_follow_once_events_have_changed(site: Site, instance: dg.DagsterInstance) -> None:
    assert "No events yet" in (tick(site, "customers_and_journeys_runs", instance).skip_message or "")
    days = site.project.days()
    assert days is not None
    select = "landing/segment/*,integration/segment/events"
    assert site.run(DayRange(days.first, days.first), select=select).failures == []
    (request,) = tick(site, "customers_and_journeys_runs", instance).run_requests or []
    assert site.lake.state(tables.EVENTS) in request.run_key


def test_kpis_follow_events_at_once_also_while_another_service_is_read(
    site: Site, instance: dg.DagsterInstance
) -> None:
    assert "No events yet" in (tick(site, "kpis_runs", instance).skip_message or "")
    service, day = "survey", DayRange(dt.date(2026, 6, 1), dt.date(2026, 6, 1))
    assert site.run(day, select=f"landing/{service}/*,integration/{service}/events").failures == []
    instance.create_run_for_job(
        build_defs(site.project).resolve_job_def("integration"), status=dg.DagsterRunStatus.STARTED
    )
    assert "under way" in (tick(site, "customers_and_journeys_runs", instance).skip_message or "")
    (request,) = tick(site, "kpis_runs", instance).run_requests or []
    job = build_defs(site.project).resolve_job_def("kpis")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {"exploration/kpis"}
    assert job.execute_in_process(instance=instance, tags=request.tags).success
    assert "have changed since" in (tick(site, "kpis_runs", instance).skip_message or "")
    told = [row for row in site.lake.read(tables.KPIS).to_pylist() if row["period"] == "day"]
    assert {row["kpi"] for row in told if row["complete"]} == {"answers"}
    assert {row["waits_for"] for row in told if row["kpi"] == "revenue"} == {"stripe"}
    assert all("journeys" in row["waits_for"] for row in told if row["journey"])
