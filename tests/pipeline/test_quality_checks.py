"""The checks of landing and events: a broken contract stops the mapping, everything else warns."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg
import orjson
import pyarrow as pa
import pytest
from demo_site import Site

from cx_orchestration.commands.materialize import materialize_project
from cx_orchestration.definitions import build_defs
from cx_orchestration.integration.landing import Landing
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.partitions import range_tags
from cx_orchestration.resources.service import FederatedService
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Attempt

LANDED = tables.landed("segment", "events")
LANDING, EVENTS = dg.AssetKey(["landing", "segment", "events"]), dg.AssetKey(["integration", "segment", "events"])
SECOND = dt.date(2026, 6, 2)
NOW = dt.datetime(2026, 6, 20, tzinfo=dt.UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def integrate(
    site: Site, instance: dg.DagsterInstance, first: int, last: int, keys: Any = (LANDING, EVENTS), **resources: object
) -> Any:
    days = DayRange(dt.date(2026, 6, first), dt.date(2026, 6, last))
    return (
        build_defs(site.project, resources=resources)
        .resolve_job_def("integration")
        .execute_in_process(instance=instance, asset_selection=list(keys), tags=range_tags(days), raise_on_error=False)
    )


def evaluations(result: Any) -> dict[str, Any]:
    """By name; whether the service was load tested is another matter."""
    return {each.check_name: each for each in result.get_asset_check_evaluations() if each.check_name != "load_tested"}


def shown(evaluation: Any) -> str:
    return str({name: value.value for name, value in evaluation.metadata.items()})


class Doubling(FederatedService):
    """A service whose landing puts one record of a day into the lake twice."""

    def land(self, lake: Lake, stream: str, days: DayRange, *, run_id: str, now: dt.datetime, **more: Any) -> Landing:
        landing = super().land(lake, stream, days, run_id=run_id, now=now, **more)
        again = lake.read(LANDED, {"day": SECOND}).slice(0, 1)
        landing.versions |= dict.fromkeys(days, lake.append(LANDED, again, run_id=run_id))
        return landing


def doubling(site: Site) -> dict[str, object]:
    return {"segment_service": Doubling(project=str(site.folder), service="segment")}


def test_a_broken_contract_keeps_its_run_from_mapping_and_its_day_from_counting_as_landed(
    site: Site, instance: dg.DagsterInstance
) -> None:
    result = integrate(site, instance, 1, 3, **doubling(site))
    contract = evaluations(result)["contract"]
    assert (contract.passed, contract.severity, contract.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert "2026-06-02" in shown(contract)
    assert "repeat the record_id" in shown(contract)
    assert "integration__segment__events" not in {event.step_key for event in result.all_events if event.is_step_start}
    assert [each.partition for each in result.asset_materializations_for_node("landing__segment__events")] == [
        "2026-06-01",
        "2026-06-03",
    ]
    (left,) = site.registry.failed()
    assert (left.day, left.failure) == (SECOND, "BrokenContract")
    assert set(site.registry.landed_at("segment", "events")) == {SECOND + dt.timedelta(days=n) for n in (-1, 1)}


def test_cx_run_maps_the_good_days_and_names_the_broken_contract(site: Site, instance: dg.DagsterInstance) -> None:
    result = materialize_project(
        site.project,
        instance,
        days=DayRange(SECOND - dt.timedelta(days=1), SECOND + dt.timedelta(days=1)),
        select="landing/segment/events,integration/segment/events",
        resources=doubling(site),
    )
    (failure,) = result.failures
    assert (failure.asset, failure.trace) == ("landing/segment/events", "")
    assert "2026-06-02 breaks its contract" in failure.message
    assert SECOND not in site.lake.read(tables.EVENTS)["day"].to_pylist()
    assert site.run(DayRange(SECOND, SECOND), select="landing/segment/*,integration/segment/events").failures == []
    assert SECOND in site.lake.read(tables.EVENTS)["day"].to_pylist()


def test_a_first_day_without_history_says_nothing_and_a_rerun_says_it_again(
    site: Site, instance: dg.DagsterInstance
) -> None:
    for _ in range(2):
        result = integrate(site, instance, 1, 1)
        assert result.success
        found = evaluations(result)
        assert {name: each.passed for name, each in found.items()} == {
            "contract": True,
            "volume": True,
            "schema_drift": True,
            "rejected_share": True,
            "transition_metadata": True,
        }
        assert found["volume"].metadata["days_judged"].value == 0
        assert found["schema_drift"].metadata["sampled_before"].value == 0


def test_an_empty_day_passes_every_check(site: Site, instance: dg.DagsterInstance) -> None:
    survey = [dg.AssetKey(["landing", "survey", "responses"]), dg.AssetKey(["integration", "survey", "events"])]
    assert integrate(site, instance, 1, 12, keys=survey).success
    with_records = site.lake.days_of(tables.landed("survey", "responses"))
    empty = next(day for day in site.project.days() or () if day not in with_records)
    found = evaluations(integrate(site, instance, empty.day, empty.day, keys=survey))
    assert [name for name, each in found.items() if not each.passed] == []
    assert found["rejected_share"].metadata["share"].value == 0.0


def test_a_surge_against_the_same_weekdays_warns_and_stops_nothing(site: Site, instance: dg.DagsterInstance) -> None:
    day = dt.date(2026, 6, 10)
    history = [day - dt.timedelta(weeks=weeks) for weeks in range(1, 8)]
    site.registry.record(Attempt("segment", "events", each, "r", NOW, "landed", 5_000) for each in history)
    result = integrate(site, instance, day.day, day.day)
    assert result.success
    volume = evaluations(result)["volume"]
    assert (volume.passed, volume.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "Wed 2026-06-10" in shown(volume)
    assert "5000" in shown(volume)


def test_new_and_missing_paths_are_named_and_no_person_is(site: Site, instance: dg.DagsterInstance) -> None:
    rows = [
        {
            "record_id": f"old-{number}",
            "updated_at": NOW,
            "extracted_at": NOW,
            "payload": orjson.dumps({"id": number, "gone": {f"ada{number}@canary.example": 1}}).decode(),
            "day": dt.date(2026, 5, 31),
        }
        for number in range(60)
    ]
    site.lake.replace(
        LANDED, pa.Table.from_pylist(rows, LANDED.schema), where={"day": dt.date(2026, 5, 31)}, run_id="r"
    )
    result = integrate(site, instance, 1, 12)
    drift = evaluations(result)["schema_drift"]
    assert (drift.passed, drift.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert drift.metadata["missing_paths"].value.split(", ")[0] == "gone"
    assert "canary" not in shown(drift)
    assert drift.metadata["new_paths"].value
    assert result.success


def test_a_share_of_rejected_records_above_the_declared_one_warns_with_the_reasons(
    site: Site, instance: dg.DagsterInstance
) -> None:
    file = site.folder / "services" / "segment.yaml"
    text = file.read_text(encoding="utf-8")
    broken = text.replace("occurred_at: timestamp", "occurred_at: nowhere")
    assert broken != text
    file.write_text(broken, encoding="utf-8")
    found = evaluations(integrate(site, instance, 1, 12))["rejected_share"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["share"].value > 0.5
    assert "the time is missing" in shown(found)
    file.write_text(broken + "\nquality: {max_rejected_share: 1}\n", encoding="utf-8")
    assert evaluations(integrate(site, instance, 1, 12))["rejected_share"].passed
