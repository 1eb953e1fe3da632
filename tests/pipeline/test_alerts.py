"""From a failed run to a message, once; from a mended partition to a message that it works again."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from scripted import ScriptedService
from shop import DAYS, Shop
from typer.testing import CliRunner
from webhook import Webhook, listening

from cx_orchestration.cli import app
from cx_orchestration.definitions import build_defs
from cx_orchestration.integration.landing import Landing
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.sensors.alerts import SILENT_AFTER, failed_runs_sensor
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Attempt

DOWN = TransientFailure("store_till/orders: /orders answers HTTP 503")
REFUSED = PermanentFailure("store_till/orders: /orders refused the credentials (HTTP 401)")
NOW = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


class DamagedDays(ScriptedService):
    """Lands all days but some."""

    def __init__(self, damaged: set[int]) -> None:
        super().__init__()
        self._damaged = damaged

    def land(self, lake: Lake, stream: str, days: DayRange, *, run_id: str, now: dt.datetime, **more: Any) -> Landing:
        failures = {day: PermanentFailure("store_till/orders: damaged") for day in days if day.day in self._damaged}
        return Landing(records={day: 0 for day in days if day not in failures}, failures=dict(failures))


class Watched(Shop):
    """A shop whose people are told by a webhook."""

    hook: Webhook

    @property
    def titles(self) -> list[str]:
        return self.hook.titles

    def watch_run(self, *outcomes: Exception, till: ScriptedService | None = None) -> dg.DagsterRun:
        """Run all days with a till that answers so, and let the sensor of failed runs see it if it fails."""
        defs = build_defs(self.project, resources={"store_till_service": till or ScriptedService(*outcomes)})
        (request,) = self.tick(store_till_service=ScriptedService()).run_requests
        result = defs.resolve_job_def("integration").execute_in_process(
            instance=self.instance,
            asset_selection=list(request.asset_selection or []),
            tags=dict(request.tags),
            raise_on_error=False,
        )
        if not result.success:
            failure = next(event for event in result.all_events if event.is_run_failure)
            context = dg.build_run_status_sensor_context(
                "alerts_of_failed_runs",
                dagster_event=failure,
                dagster_instance=self.instance,
                dagster_run=result.dagster_run,
                resources={
                    "project": self.project,
                    "registry": self.registry,
                    "lake": Lake(self.project.lake_root),
                },
            ).for_run_failure()
            failed_runs_sensor(context)
        return result.dagster_run

    def look(self, cursor: str | None = None) -> Any:
        """A tick of the sensor that looks at what stands."""
        defs = build_defs(self.project)
        with dg.build_sensor_context(
            instance=self.instance, cursor=cursor, definitions=defs, resources=dict(defs.resources or {})
        ) as context:
            return defs.get_sensor_def("standing_troubles").evaluate_tick(context)

    def standing_check(self) -> list[dg.AssetCheckEvaluation]:
        """What the standing check says now."""
        job = build_defs(self.project).resolve_job_def("standing_checks")
        return list(job.execute_in_process(instance=self.instance).get_asset_check_evaluations())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    with listening() as hook, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("ALERTS", hook.url)
        shop = Watched(tmp_path / "shop", instance)
        settings = shop.folder / "project.yaml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text + "alerts: {urls_env: [ALERTS], ui_url: 'https://ui.example.org'}\n", encoding="utf-8")
        shop.hook = hook
        yield shop


def test_a_failed_run_is_told_with_service_days_class_reason_and_link(shop: Watched) -> None:
    run = shop.watch_run(REFUSED)
    assert shop.titles == ["store_till fails (permanent)"]
    body = shop.hook.messages[0]["message"]
    for line in (
        "what: store_till",
        f"days: {DAYS}",
        "class: permanent: somebody has to mend something",
        f"reason: {REFUSED}",
        f"look: https://ui.example.org/runs/{run.run_id}",
        f"what is left failed, and the commands that rerun it: cx failed --project {shop.folder}",
    ):
        assert line in body.splitlines()


@pytest.mark.parametrize(
    ("damaged", "told"),
    [
        ({3}, "2026-01-03"),
        ({2, 3, 5}, "2026-01-02..2026-01-03, 2026-01-05"),
        ({1, 3, 5}, "2026-01-01, 2026-01-03 and 1 more"),
    ],
)
def test_of_the_days_of_a_run_those_that_failed_are_told(shop: Watched, damaged: set[int], told: str) -> None:
    before = dt.date(2025, 12, 31)
    shop.registry.record(
        [Attempt("store_till", "orders", before, "earlier", NOW, "failed", failure="PermanentFailure")]
    )
    shop.watch_run(till=DamagedDays(damaged))
    (message,) = shop.hook.messages
    assert f"days: {told}" in message["message"].splitlines()


def test_the_same_class_of_failure_is_told_once_until_the_service_works_again(shop: Watched) -> None:
    for _ in range(2):
        shop.watch_run(DOWN, DOWN)
        shop.registry.waits.answered("store_till")
    shop.look()
    assert shop.titles == ["store_till fails (transient)"]
    shop.watch_run()
    shop.look()
    assert shop.titles[1:] == ["store_till works again (transient)"]
    shop.look()
    assert len(shop.titles) == 2


def test_another_class_of_failure_is_told_too(shop: Watched) -> None:
    shop.watch_run(REFUSED)
    shop.watch_run(DOWN, DOWN)
    assert shop.titles == ["store_till fails (permanent)", "store_till fails (transient)"]


def test_of_an_error_that_is_not_ours_the_type_and_place_are_told_and_no_value(shop: Watched) -> None:
    shop.watch_run(ValueError("ada.canary@example.org"))
    assert shop.titles == ["store_till fails (bug)"]
    assert "reason: an unexpected error, ValueError" in shop.hook.messages[0]["message"]
    assert "canary" not in shop.hook.messages[0]["message"]
    shop.look()
    assert len(shop.titles) == 1
    shop.watch_run()
    shop.look()
    assert shop.titles[1:] == ["store_till works again (bug)"]


def test_a_service_that_never_comes_to_a_run_is_told_when_it_was_silent_often_enough(shop: Watched) -> None:
    now = NOW
    for times in range(1, SILENT_AFTER + 1):
        now = shop.registry.waits.postpone("store_till", DOWN, now=now).until
        shop.look()
        assert len(shop.titles) == (times >= SILENT_AFTER)
    assert shop.titles == ["store_till fails (transient)"]
    assert f"reason: {DOWN}" in shop.hook.messages[0]["message"]
    shop.watch_run()
    shop.look()
    assert shop.titles[1:] == ["store_till works again (transient)"]


def test_a_service_that_cannot_be_asked_is_told_at_once_listed_and_over_when_it_can_be_asked(shop: Watched) -> None:
    refusing = ScriptedService(REFUSED, REFUSED)
    first = shop.look()
    for _ in range(2):  # it is asked at every tick: a mended token works at once
        with pytest.raises(dg.Failure, match=r"store_till could not be asked: .* refused the credentials"):
            shop.tick(store_till_service=refusing)
        look = shop.look(first.cursor)
        assert shop.titles == ["store_till fails (permanent)"]
    assert f"reason: it could not be asked: {REFUSED}" in shop.hook.messages[0]["message"].splitlines()
    assert len(look.run_requests) == 1
    (evaluation,) = shop.standing_check()
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert str(REFUSED) in str(evaluation.metadata["could_not_be_asked"].value)
    listed = CliRunner().invoke(app, ["failed", "--project", str(shop.folder)])
    assert listed.exit_code == 1
    assert listed.stdout.splitlines()[0].startswith("store_till: could not be asked, 2 times since ")
    assert listed.stdout.splitlines()[1] == f"  {REFUSED}"

    assert shop.tick(store_till_service=refusing).run_requests
    shop.look()
    assert shop.titles[1:] == ["store_till works again (permanent)"]
    assert shop.standing_check()[0].passed
    assert CliRunner().invoke(app, ["failed", "--project", str(shop.folder)]).exit_code == 0


def test_a_service_that_cannot_be_asked_and_is_integrated_no_more_troubles_nobody(shop: Watched) -> None:
    shop.registry.unaskable.failed("help_desk", REFUSED, now=NOW)
    shop.look()
    assert shop.titles == []
    assert shop.standing_check()[0].passed


def test_a_run_by_hand_that_lands_shows_that_the_service_can_be_asked(shop: Watched) -> None:
    shop.registry.unaskable.failed("store_till", REFUSED, now=NOW)
    (request,) = shop.tick(store_till_service=ScriptedService()).run_requests
    shop.registry.unaskable.failed("store_till", REFUSED, now=NOW)
    shop.run(request, store_till_service=ScriptedService(REFUSED))
    assert list(shop.registry.unaskable.standing()) == ["store_till"]
    shop.run(request, store_till_service=ScriptedService())
    assert shop.registry.unaskable.standing() == {}


def test_the_standing_check_is_run_when_what_is_left_failed_has_changed_and_says_how_to_rerun_it(
    shop: Watched,
) -> None:
    first = shop.look()
    assert len(first.run_requests) == 1
    assert not shop.look(first.cursor).run_requests
    shop.watch_run(REFUSED)
    changed = shop.look(first.cursor)
    assert len(changed.run_requests) == 1
    (evaluation,) = shop.standing_check()
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert evaluation.metadata["days"].value == len(DAYS)
    shown = str(evaluation.metadata["left_failed"].value)
    assert str(REFUSED) in shown
    assert f"cx run --project {shop.folder} --since {DAYS.first} --until {DAYS.last} --select" in shown
