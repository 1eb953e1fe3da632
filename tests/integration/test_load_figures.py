"""What a load test says of latency and backlog, and that it leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rehearsals import WINDOW, Clock, billing, charges, rehearsed

from cx_orchestration.integration.loadtest.local_service import Answer, Answers, Asked


def taking(clock: Clock, *seconds: float) -> Callable[[Answers], Answers]:
    """Answers that take so many seconds each, the last number for ever."""
    left = list(seconds)

    def between(answers: Answers) -> Answers:
        def slow(asked: Asked) -> Answer:
            clock.sleep(left.pop(0) if len(left) > 1 else left[0])
            return answers(asked)

        return slow

    return between


def test_a_stall_counts_against_all_who_arrived_meanwhile() -> None:
    """Were latency counted from when the pipeline asks, the one stalled batch of ten would hide in the percentiles."""
    clock = Clock()
    verdict = rehearsed(
        billing(charges(**WINDOW)), clock=clock, seconds=10, per_second=100, between=taking(clock, 8, 0), page_size=999
    )
    assert verdict.latency is not None
    assert verdict.batches == 3  # the first slice, the eight that ended meanwhile in one go, the last
    assert 3 < verdict.latency.p50 < 5
    assert 8 < verdict.latency.p99 < 9
    assert verdict.backlog[0].before > 800
    assert verdict.passed


def test_without_any_delay_latency_is_the_wait_for_the_next_request_alone() -> None:
    verdict = rehearsed(billing(charges(**WINDOW)), seconds=3, per_second=200, page_size=999)
    assert verdict.latency is not None
    assert verdict.latency.p50 == pytest.approx(0.5, abs=0.05)
    assert verdict.latency.p99 <= 1
    assert (verdict.drain_seconds, verdict.busy, verdict.achieved_per_second) == (0, 0, 200)


def test_a_backlog_that_is_not_worked_off_in_time_fails_and_is_not_called_lost() -> None:
    clock = Clock()
    verdict = rehearsed(billing(charges(**WINDOW)), clock=clock, max_drain_seconds=5, between=taking(clock, 30))
    assert (verdict.still_waiting, verdict.lost, verdict.doubled) == (21 - verdict.committed, 0, 0)
    assert 0 < verdict.committed < 21
    assert verdict.why == f"{verdict.still_waiting} of 21 records still waiting 5 s after the last arrival"
    assert verdict.drain_seconds == 28


def test_a_replay_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    class Interrupted(Clock):
        def sleep(self, seconds: float) -> None:
            assert len(list(tmp_path.iterdir())) == 1
            if self.now > 101:
                raise KeyboardInterrupt
            super().sleep(seconds)

    with pytest.raises(KeyboardInterrupt):
        rehearsed(billing(charges(**WINDOW)), clock=Interrupted(), scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_lake_is_for_its_owner_alone_and_gone_afterwards(tmp_path: Path) -> None:
    class Looking(Clock):
        def sleep(self, seconds: float) -> None:
            assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o700]
            super().sleep(seconds)

    rehearsed(billing(charges(**WINDOW)), clock=Looking(), scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []
