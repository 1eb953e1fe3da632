"""What is tried again within a run, what after the others, what later by the sensor, and what never."""

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from demo_site import Site
from scripted import ScriptedService
from shop import DAYS, Shop

from cx_orchestration.commands.materialize import materialize_project
from cx_orchestration.integration.landing import Landing
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.resources.service import resource_key
from cx_orchestration.storage.registry import Attempt, Registry
from cx_orchestration.storage.waits import FIRST_WAIT

DOWN = TransientFailure("till/orders: /orders answers HTTP 503")
BUSY = TransientFailure("till/orders: /orders answers HTTP 429 and asks to wait 3600 s", retry_after=3600)
REFUSED = PermanentFailure("till/orders: /orders refused the credentials (HTTP 401)")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(tmp_path / "shop", instance)


def run(shop: Shop, *outcomes: Exception) -> tuple[bool, int]:
    """Whether a run of all days succeeded, and how often the till was asked."""
    till = ScriptedService(*outcomes)
    (request,) = shop.tick(store_till_service=ScriptedService()).run_requests
    return shop.run(request, store_till_service=till), len(till.asked)


def test_a_transient_failure_is_tried_again_in_the_same_run(shop: Shop) -> None:
    assert run(shop, DOWN) == (True, 2)
    assert shop.registry.waits.standing() == {}
    assert shop.registry.failed() == []


def test_when_it_does_not_pass_the_run_fails_and_the_service_is_left_alone_for_a_while(shop: Shop) -> None:
    assert run(shop, DOWN, DOWN) == (False, 2)
    wait = shop.registry.waits.standing()["store_till"]
    assert (wait.failures, wait.until - wait.since, wait.reason) == (1, FIRST_WAIT, str(DOWN))
    skipped = shop.tick()
    assert not skipped.run_requests
    assert skipped.skip_message == f"{wait}."


def test_transient_failures_are_waited_out_however_many_there_are(shop: Shop) -> None:
    for _ in range(5):
        assert run(shop, DOWN, DOWN) == (False, 2)
        shop.registry.waits.answered("store_till")
    assert shop.tick().run_requests


@pytest.mark.parametrize("outcome", [REFUSED, OSError("no space left on device")])
def test_a_permanent_failure_and_a_bug_are_not_tried_again(shop: Shop, outcome: Exception) -> None:
    assert run(shop, outcome) == (False, 1)
    assert shop.registry.waits.standing() == {}


def test_an_hour_that_a_service_asks_for_is_neither_slept_nor_disturbed(shop: Shop) -> None:
    assert run(shop, BUSY) == (False, 1)
    wait = shop.registry.waits.standing()["store_till"]
    assert wait.asked_until == wait.until == wait.since + dt.timedelta(hours=1)
    assert shop.tick().skip_message == f"{wait}."
    till = ScriptedService()
    done = materialize_project(
        shop.project, shop.instance, days=DAYS, select="group:landing", resources={"store_till_service": till}
    )
    assert till.asked == []
    assert [failure.message for failure in done.failures] == [
        f"store_till was not asked: it asked to be left alone until {wait.until:%Y-%m-%d %H:%M} UTC "
        f"({BUSY}). Run this after that; if the wait is a mistake, 'cx failed --lift store_till' ends it"
    ]


def test_a_service_that_was_not_asked_is_left_failed_for_its_own_reason(shop: Shop) -> None:
    assert run(shop, BUSY) == (False, 1)
    wait, left = shop.registry.waits.standing(), shop.registry.left_failed()
    till, later = ScriptedService(), DayRange(DAYS.first, DAYS.last)
    for _ in range(2):
        materialize_project(
            shop.project, shop.instance, days=later, select="group:landing", resources={"store_till_service": till}
        )
    assert till.asked == []
    assert shop.registry.waits.standing() == wait
    assert shop.registry.left_failed() == left
    assert {(each.attempt.message, each.times) for each in left} == {(str(BUSY), 1)}
    not_asked = shop.instance.get_runs(limit=1)[0].run_id
    assert shop.registry.transient_runs([not_asked]) == {not_asked}


def test_the_sensor_asks_a_service_that_was_down_only_when_its_time_has_come(shop: Shop) -> None:
    till = ScriptedService(DOWN, DOWN)
    with pytest.raises(dg.Failure, match=r"HTTP 503\. It is asked again after"):
        shop.tick(store_till_service=till)
    skipped = shop.tick(store_till_service=till)
    assert till.asked == ["service?"]
    assert "is left alone until" in (skipped.skip_message or "")
    assert str(DOWN) in (skipped.skip_message or "")


def test_cx_run_tries_a_transient_failure_again_after_the_others_and_a_permanent_one_not(
    site: Site, tmp_path: Path
) -> None:
    project = site.project
    first, second, third, *_ = project.plan.approved()
    asked: list[str] = []
    outcomes: dict[str, list[Exception]] = {first: [DOWN], second: [REFUSED], third: [BUSY]}
    services = {
        resource_key(name): ScriptedService(*outcomes.get(name, []), name=name, asked=asked)
        for name in project.plan.approved()
    }
    day = DayRange(dt.date(2026, 6, 3), dt.date(2026, 6, 3))
    with dg.DagsterInstance.ephemeral() as instance:
        done = materialize_project(
            project, instance, days=day, lake=tmp_path / "lake", select="group:landing", resources=services
        )
    once = [name for name in project.plan.approved() for _ in project.services[name].streams if name != third]
    assert [name for name in asked if name != third] == [*once, first]
    assert asked.count(third) == 1
    assert {failure.message for failure in done.failures if "not asked" not in failure.message} == {
        str(REFUSED),
        str(BUSY),
    }


def test_a_transient_failure_that_no_partition_was_left_with_is_not_forgotten(shop: Shop) -> None:
    """The registry could not take the attempt: nothing shows what to try again, and the run has failed all the same."""
    locked = TransientFailure("the registry cannot be used (database is locked)")

    class Locked(Registry):
        def record(self, attempts: Iterable[Attempt]) -> None:
            raise locked

    registry = Locked(shop.project.registry_url())
    done = materialize_project(
        shop.project,
        shop.instance,
        days=DAYS,
        select="group:landing",
        resources={"store_till_service": ScriptedService(), "registry": registry},
    )
    registry.close()
    assert [failure.message for failure in done.failures] == [str(locked)]


class UnfilteredService(ScriptedService):
    """Sends more than it is asked for, records without a time, and some of erased persons."""

    def land(self, *given: Any, **more: Any) -> Landing:
        landing = super().land(*given, **more)
        landing.outside, landing.without_time, landing.erased = 1_234, 2, 3
        return landing


def test_a_run_tells_what_a_service_sent_that_it_was_not_asked_for(site: Site) -> None:
    days = DayRange(dt.date(2026, 6, 2), dt.date(2026, 6, 4))
    with dg.DagsterInstance.ephemeral() as instance:
        done = materialize_project(
            site.project,
            instance,
            days=days,
            select="landing/survey/responses",
            resources={resource_key("survey"): UnfilteredService()},
        )
    assert done.failures == []
    outside, without_time, of_erased = done.notes
    assert outside == (
        "landing/survey/responses: 1,234 records were sent that lie outside of the days that were asked for, "
        "and did not land"
    )
    assert without_time.endswith("to see which those are, a range is asked for day by day")
    assert of_erased == "landing/survey/responses: 3 records of erased persons stayed out"
