"""How often a service is asked, by threads and processes together."""

import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from integration_fakes import session_for
from pytest_httpserver import HTTPServer
from sqlalchemy import create_engine, text

from cx_orchestration.integration.http import Shared
from cx_orchestration.integration.rate import Limiter, OwnUsage, UsageStore
from cx_orchestration.model.connection import Rate
from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.usage import RegistryUsage, Usage

NOON = 20_000 * 86_400 + 43_200.0


class Time:
    """A clock that only moves when somebody sleeps, and remembers when requests were sent."""

    def __init__(self) -> None:
        self.now = NOON
        self.sent: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def limiter(self, usage: UsageStore | None = None, **rate: float) -> Limiter:
        declared = Rate.model_validate(rate)
        usage = usage or OwnUsage()
        return Limiter("crm", declared, usage, request_seconds=30, clock=lambda: self.now, sleep=self.sleep)

    def send(self, limiter: Limiter, requests: int = 1, each: float = 0.0) -> None:
        for _ in range(requests):
            with limiter.request():
                self.sent.append(self.now)
                self.now += each

    def most_within(self, seconds: float) -> int:
        return max(sum(start <= at < start + seconds for at in self.sent) for start in self.sent)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[RegistryUsage]:
    with closing(Registry(f"sqlite:///{tmp_path}/registry.db")) as registry:
        yield RegistryUsage(registry.engine)


@pytest.mark.parametrize("per_second", [0.5, 2, 20, 300])
def test_a_long_run_keeps_to_the_declared_pace(per_second: float) -> None:
    time = Time()
    requests = int(per_second * 30) + 10
    time.send(time.limiter(per_second=per_second), requests)
    took = time.sent[-1] - time.sent[0]
    assert requests / per_second - 3 <= took + max(1, 1 / per_second) <= requests / per_second + 3


def test_requests_are_spaced_after_a_pause_too() -> None:
    time = Time()
    limiter = time.limiter(per_second=10)
    for _ in range(2):
        time.send(limiter, 30)
        time.now += 1000
    gaps = [later - earlier for earlier, later in pairwise(time.sent)]
    assert gaps[:29] == pytest.approx([0.105] * 29, abs=1e-5) and gaps[30:] == pytest.approx([0.105] * 29, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    per_second=st.one_of(st.integers(1, 300), st.floats(0.2, 40)),
    processes=st.integers(1, 3),
    turns=st.lists(st.tuples(st.floats(0, 0.4), st.integers(1, 40), st.floats(0, 3)), min_size=1, max_size=6),
)
def test_no_second_has_more_requests_than_declared(
    per_second: float, processes: int, turns: list[tuple[float, int, float]]
) -> None:
    time, usage = Time(), OwnUsage()
    limiters = [time.limiter(usage, per_second=per_second) for _ in range(processes)]
    for each, requests, pause in turns:
        for number in range(requests):
            time.send(limiters[number % processes], 1, each)
        time.now += pause
    assert time.most_within(1) <= math.ceil(per_second)


@pytest.mark.parametrize("late", [0.01, 0.039, 0.06, 0.2])
def test_what_is_sent_late_is_not_caught_up_within_the_second(late: float) -> None:
    for before in range(1, 30):
        time = Time()
        limiter = time.limiter(per_second=20)
        time.send(limiter, before)
        time.now += 0.0525 + late
        time.send(limiter, 45)
        assert time.most_within(1) <= 20


def test_what_one_process_cannot_use_is_left_to_the_others() -> None:
    time, usage = Time(), OwnUsage()
    slow = time.limiter(usage, per_second=100)
    time.send(slow, 20)
    time.send(slow, 40, each=0.6)
    time.send(slow)
    # Its batches have shrunk to one or two requests: another need not wait behind one of half a second's worth.
    before = time.now
    time.send(time.limiter(usage, per_second=100))
    assert time.now - before <= 0.03


@settings(max_examples=20, deadline=None)
@given(
    per_minute=st.integers(1, 700),
    each=st.floats(0, 3),
    pauses=st.lists(st.floats(0, 70), max_size=5),
)
def test_no_minute_has_more_requests_than_declared(per_minute: int, each: float, pauses: list[float]) -> None:
    time = Time()
    limiter = time.limiter(per_second=1000, per_minute=per_minute)
    for pause in [*pauses, 0]:
        time.send(limiter, min(2 * per_minute + 3, 200), each)
        time.now += pause
    assert time.most_within(60) <= per_minute


@pytest.mark.parametrize("per_minute", [10, 100, 700])
def test_a_limit_by_the_minute_is_used_to_six_sevenths(per_minute: int) -> None:
    time = Time()
    time.send(time.limiter(per_second=1000, per_minute=per_minute), 5 * per_minute)
    assert time.sent[-1] - time.sent[0] <= 5 * 60 * 7 / 6


def test_a_used_up_day_is_a_transient_failure_until_midnight_utc_and_nothing_is_slept() -> None:
    time = Time()
    limiter = time.limiter(per_day=3)
    time.send(limiter, 3)
    time.now = NOON
    with pytest.raises(TransientFailure) as caught:
        time.send(limiter)
    assert str(caught.value) == ("crm: the 3 requests of client.rate.per_day are used up until 2024-10-05 00:00 UTC")
    assert caught.value.retry_after == 43_200 and time.now == NOON
    time.now += 43_200
    time.send(limiter, 3)


def test_a_wait_of_more_than_a_minute_is_reported_and_costs_nothing() -> None:
    time = Time()
    limiter = time.limiter(per_second=0.01)
    time.send(limiter)
    for _ in range(2):
        with pytest.raises(TransientFailure, match=r"client\.rate allows no further request for 105 s") as caught:
            time.send(limiter)
        assert caught.value.retry_after == pytest.approx(105)
    assert time.now == NOON


def test_a_clock_that_was_set_back_holds_nobody_up() -> None:
    time = Time()
    limiter = time.limiter(per_second=5)
    time.send(limiter, 20)
    time.now -= 7200
    before = time.now
    time.send(limiter, 5)
    assert time.now - before <= 2


def test_processes_share_the_second_the_minute_and_the_day(shared: RegistryUsage) -> None:
    time = Time()
    limiters = [time.limiter(shared, per_second=100, per_minute=12, per_day=30) for _ in range(3)]
    with pytest.raises(TransientFailure, match="per_day"):
        while True:
            for limiter in limiters:
                time.send(limiter)
    assert len(time.sent) == 30
    assert time.most_within(60) <= 12


def test_what_a_process_did_not_use_of_a_day_is_given_back(shared: RegistryUsage) -> None:
    time = Time()
    first = time.limiter(shared, per_second=1e6, per_day=100_000)
    time.send(first, 700)
    first.close()
    assert shared.change("crm", lambda usage: (usage, usage.asked)) == 700


def test_a_killed_process_costs_no_more_than_a_thousandth_of_the_day(shared: RegistryUsage) -> None:
    time = Time()
    time.send(time.limiter(shared, per_second=1e6, per_day=100_000), 700)  # and never closed
    assert 700 <= shared.change("crm", lambda usage: (usage, usage.asked)) <= 800


def test_the_registry_is_asked_twice_a_second_and_not_for_each_request() -> None:
    class Counting(OwnUsage):
        changes = 0

        def change(self, *args):  # type: ignore[no-untyped-def]
            self.changes += 1
            return super().change(*args)

    usage, time = Counting(), Time()
    time.send(time.limiter(usage, per_second=1000, per_day=10**6), 10_000, each=0.001)
    assert time.now - NOON == pytest.approx(10, abs=1)
    assert usage.changes <= 60


def test_threads_never_have_more_requests_under_way_than_declared(shared: RegistryUsage) -> None:
    limiters = [Limiter("crm", Rate(per_second=1e6, concurrency=3), shared, request_seconds=30) for _ in range(2)]
    under_way, most, sent, lock = 0, 0, 0, threading.Lock()

    def ask(limiter: Limiter) -> None:
        nonlocal under_way, most, sent
        for _ in range(25):
            with limiter.request():
                with lock:
                    under_way += 1
                    most = max(most, under_way)
                    sent += 1
                with lock:
                    under_way -= 1

    threads = [threading.Thread(target=ask, args=(limiter,)) for limiter in limiters for _ in range(2)]
    for thread in threads:
        thread.start()
    for limiter, pair in zip(limiters, (threads[:2], threads[2:]), strict=True):
        for thread in pair:
            thread.join()
        limiter.close()
    assert sent == 100 and most <= 3


def test_nobody_reads_the_numbers_while_somebody_changes_them(tmp_path: Path, shared: RegistryUsage) -> None:
    impatient = create_engine(f"sqlite:///{tmp_path}/registry.db", connect_args={"timeout": 0})
    shared.change("crm", lambda usage: (usage, None))

    def change(usage: Usage) -> tuple[Usage, None]:
        with pytest.raises(TransientFailure, match="locked"):
            RegistryUsage(impatient).change("crm", lambda other: (other, None))
        return usage, None

    shared.change("crm", change)
    impatient.dispose()


def test_a_registry_that_is_locked_is_a_transient_failure(tmp_path: Path) -> None:
    with closing(Registry(f"sqlite:///{tmp_path}/registry.db")) as registry:
        impatient = create_engine(f"sqlite:///{tmp_path}/registry.db", connect_args={"timeout": 0})
        with registry.engine.begin() as writing:
            writing.execute(text("DELETE FROM service_usage"))
            with pytest.raises(TransientFailure, match="the registry, where requests are counted"):
                RegistryUsage(impatient).change("crm", lambda usage: (usage, None))
        impatient.dispose()


def test_a_rate_of_its_own_goes_through_the_registry_and_the_default_does_not(
    httpserver: HTTPServer, shared: RegistryUsage
) -> None:
    httpserver.expect_request("/q").respond_with_json({})
    for rate, asked in (({}, 0), ({"per_day": 1000}, 1)):
        session = session_for(httpserver.url_for(""), rate=rate, shared=Shared(shared if rate else None))
        session.ask("/q")
        session.close()
        assert shared.change("billing", lambda usage: (usage, usage.asked)) == asked


def test_every_attempt_counts_into_the_day(httpserver: HTTPServer, shared: RegistryUsage) -> None:
    httpserver.expect_request("/q").respond_with_json({}, status=503)
    session = session_for(httpserver.url_for(""), rate={"per_day": 2}, shared=Shared(shared))
    with pytest.raises(TransientFailure, match="the 2 requests of"):
        session.ask("/q")
    assert session.requests == 2


def test_processes_draw_on_one_day_and_a_killed_one_holds_nobody_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/registry.db"
    Registry(url).close()
    script = """
import sys
from cx_orchestration.integration.rate import Limiter
from cx_orchestration.model.connection import Rate
from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.usage import RegistryUsage, Usage

usage = RegistryUsage(Registry(sys.argv[1]).engine)
limiter = Limiter("crm", Rate(per_second=1e6, per_day=40, concurrency=4), usage, request_seconds=30)
sent = 0
try:
    while True:
        with limiter.request():
            sent += 1
            if sys.argv[2] == "dies" and sent == 5:
                print(sent, flush=True)
                sys.stdin.read()
except TransientFailure as failure:
    assert "per_day" in str(failure)
print(sent)
"""

    def start(what: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, url, what]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    dies = start("dies")
    assert dies.stdout is not None and dies.stdout.readline() == "5\n"
    others = [start("lives"), start("lives")]
    dies.kill()
    sent = [int(process.communicate(timeout=60)[0]) for process in others]
    dies.communicate()
    assert sum(sent) == 35
    with closing(Registry(url)) as registry:
        leases = RegistryUsage(registry.engine).change_leases("crm", lambda before: (before, before))
    assert sum(lease.slots for lease in leases) <= 4
