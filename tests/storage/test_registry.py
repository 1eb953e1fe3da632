"""What the registry remembers of attempts."""

import datetime as dt
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.storage.registry import MAPPING, Attempt, DayState, LeftFailed, Registry

NOW = dt.datetime(2026, 7, 1, 3, tzinfo=dt.UTC)
DAY = dt.date(2026, 6, 30)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(f"sqlite:///{tmp_path}/deep/registry.db")


def attempt(stream: str, outcome: str, run_id: str = "run", **more: object) -> Attempt:
    return Attempt("stripe", stream, DAY, run_id, NOW, outcome, **more)  # type: ignore[arg-type]


def test_a_partition_is_failed_until_a_later_attempt_lands(registry: Registry) -> None:
    registry.record([attempt("charges", "failed", failure="PermanentFailure", message="why")])
    assert [(found.stream, found.message) for found in registry.failed()] == [("charges", "why")]
    registry.record([attempt("charges", "landed", records=3)])
    assert registry.failed() == []


def state(registry: Registry) -> DayState:
    return registry.days("stripe", ["charges", "refunds"])[DAY]


def test_a_day_has_landed_once_every_stream_has(registry: Registry) -> None:
    registry.record([attempt("charges", "landed")])
    assert not state(registry).landed
    registry.record([attempt("refunds", "landed")])
    assert state(registry) == DayState(landed=True, mapped=False, failures=0)


def test_a_day_is_integrated_when_it_was_mapped_after_its_last_landing(registry: Registry) -> None:
    registry.record([attempt("charges", "landed"), attempt("refunds", "landed"), attempt(MAPPING, "landed")])
    assert state(registry).integrated
    registry.record([attempt("charges", "landed")])
    assert not state(registry).integrated


def test_a_failed_second_reading_leaves_the_day_integrated(registry: Registry) -> None:
    registry.record([attempt("charges", "landed"), attempt("refunds", "landed"), attempt(MAPPING, "landed")])
    registry.record([attempt("charges", "failed")])
    assert state(registry) == DayState(landed=True, mapped=True, failures=1)
    assert [found.stream for found in registry.failed()] == ["charges"]


def test_only_failures_since_the_last_success_count(registry: Registry) -> None:
    registry.record([attempt("charges", "failed")] * 3)
    registry.record([attempt("charges", "landed"), attempt("charges", "failed"), attempt("refunds", "failed")])
    assert state(registry).failures == 1


def test_days_of_other_services_are_not_mixed_in(registry: Registry) -> None:
    registry.record([attempt("charges", "landed")])
    assert registry.days("zendesk", ["charges"]) == {}


def test_when_a_stream_was_last_read_is_known_by_day(registry: Registry) -> None:
    registry.record([attempt("charges", "landed"), attempt("charges", "failed")])
    assert registry.landed_at("stripe", "charges") == {DAY: NOW}
    assert registry.landed_at("stripe", "refunds") == {}


def test_processes_that_open_a_new_registry_at_once_all_succeed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/registry.db"
    script = f"from cx_orchestration.storage.registry import Registry; print(Registry({url!r}).latest())"
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    outputs = [process.communicate() for process in processes]
    assert [(out, process.returncode) for (out, _), process in zip(outputs, processes, strict=True)] == [
        (b"[]\n", 0)
    ] * 4


def test_what_was_recorded_comes_back_as_it_was(registry: Registry) -> None:
    given = attempt("charges", "landed", records=7)
    registry.record([given])
    assert registry.latest("stripe") == [given]
    assert registry.latest("zendesk") == []


def test_migrations_go_down_and_up_again(registry: Registry) -> None:
    registry.downgrade()
    registry.upgrade()
    assert registry.latest() == []


def test_what_is_left_failed_says_since_when_and_how_often(registry: Registry) -> None:
    later = NOW + dt.timedelta(hours=1)
    registry.record([attempt("charges", "failed", failure="PermanentFailure"), attempt("charges", "landed")])
    registry.record([attempt("charges", "failed", failure="TransientFailure")])
    newest = replace(attempt("charges", "failed", failure="PermanentFailure", message="why"), attempted_at=later)
    registry.record([newest])
    registry.record([attempt("refunds", "failed"), attempt("refunds", "landed")])
    assert registry.left_failed() == registry.left_failed("stripe") == [LeftFailed(newest, NOW, times=2, lasting=1)]
    assert registry.left_failed("zendesk") == []


def test_runs_that_met_only_transient_failures_are_known(registry: Registry) -> None:
    transient, permanent = {"failure": "TransientFailure"}, {"failure": "PermanentFailure"}
    registry.record([attempt("charges", "failed", "a", **transient), attempt("refunds", "failed", "a", **transient)])
    registry.record([attempt("charges", "failed", "b", **transient), attempt("refunds", "failed", "b", **permanent)])
    registry.record([attempt("charges", "landed", "c")])
    assert registry.transient_runs(["a", "b", "c", "d"]) == {"a"}


def test_the_services_that_were_ever_attempted_are_known(registry: Registry) -> None:
    assert registry.services() == []
    registry.record([attempt("charges", "landed"), replace(attempt("users", "failed"), service="zendesk")])
    assert registry.services() == ["stripe", "zendesk"]


def test_threads_that_open_a_new_registry_at_once_all_succeed(tmp_path: Path) -> None:
    opened: list[Registry] = []
    threads = [
        threading.Thread(target=lambda: opened.append(Registry(f"sqlite:///{tmp_path}/registry.db"))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [registry.latest() for registry in opened] == [[]] * 6
    for registry in opened:
        registry.close()


def test_a_registry_that_cannot_be_opened_is_a_transient_failure_that_names_it(tmp_path: Path) -> None:
    place = tmp_path / "registry.db"
    registry = Registry(f"sqlite:///{place}")
    registry.close()
    place.unlink()
    place.mkdir()
    with pytest.raises(TransientFailure, match=r"registry\.db cannot be used \(unable to open"):
        registry.upgrade(attempts=1)
    registry.close()
