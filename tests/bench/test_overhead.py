"""``make bench``: CPU is charged to the part that used it, and the parts add up to the whole."""

import datetime as dt
import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cx_orchestration.integration.landing import Landing
from cx_orchestration.model.days import DayRange

BENCH = Path(__file__).parents[2] / "bench"
DAY = dt.date(2026, 1, 1)
ROW = re.compile(r"(?P<indent> *)(?P<part>\S.*?) +(?P<seconds>[\d.]+) +(?P<share>[\d.]+)%")


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCH / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


meter = _load("meter")


@dataclass
class Clock:
    """CPU that is used when the test says so."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> Any:
    return meter.Meter(clock)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run on a small company prints; its exit code says whether the parts add up."""
    command = [sys.executable, str(BENCH / "overhead.py"), "--customers", "60", "--days", "10", "--dir"]
    done = subprocess.run(
        [*command, str(tmp_path_factory.mktemp("bench") / "company")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _parts(printed: str) -> list[tuple[bool, str, float, float]]:
    """Whether it is a group, its name, CPU-seconds, and share of each row of the table of parts."""
    found = (ROW.fullmatch(line.rstrip()) for line in printed.splitlines())
    return [(not row["indent"], row["part"], float(row["seconds"]), float(row["share"])) for row in found if row]


@pytest.mark.long
def test_a_run_names_every_part_and_none_is_free(printed: str) -> None:
    seconds = {name: seconds for _, name, seconds, _ in _parts(printed)}
    for part in (
        "Dagster",
        "extraction",
        "SQL (DuckDB)",
        "Delta commits and file lists",
        "our Python",
        "imports and start",
        "the demo's own",
        "making the company, starting its services",
        "summary and comparison with the truth",
    ):
        assert seconds[part] > 0, part
    assert {"identity", "journeys", "exploration", "cannot be attributed"} <= set(seconds)


@pytest.mark.long
def test_the_groups_add_up_to_the_sum_and_the_sum_to_what_is_measured_from_outside(printed: str) -> None:
    *groups, (_, _, total, _), (_, last, outside, _) = [row for row in _parts(printed) if row[0]]
    assert last == "measured from outside"
    assert sum(seconds for _, _, seconds, _ in groups) == pytest.approx(total, abs=0.01 * len(groups))
    assert sum(share for _, _, _, share in groups) == pytest.approx(100, abs=0.1 * len(groups))
    assert total == pytest.approx(outside, rel=0.02)


@pytest.mark.long
def test_every_service_shows_its_records_and_requests(printed: str) -> None:
    for service in ("discourse", "mailchimp", "salesforce", "segment", "stripe", "survey", "zendesk"):
        row = re.search(rf"^{service} +([\d,]+) +([\d,]+) +[\d.]+ +[\d.]+ +[\d.]+$", printed, re.MULTILINE)
        assert row is not None, service
        assert all(int(count.replace(",", "")) > 0 for count in row.groups())


def test_a_part_is_charged_without_the_parts_inside_it(account: Any, clock: Clock) -> None:
    clock.seconds = 1
    with account.part("outer"):
        clock.seconds = 3
        with account.part("inner"):
            clock.seconds = 7
        clock.seconds = 8
    assert account.parts == {meter.START: 1, "outer": 3, "inner": 4}


def test_a_part_that_fails_is_charged_and_closed(account: Any, clock: Clock) -> None:
    with pytest.raises(ValueError, match="spoilt"), account.part("spoilt"):
        clock.seconds = 2
        raise ValueError("spoilt")
    clock.seconds = 3
    account.charge()
    assert account.parts == {meter.START: 1, "spoilt": 2}


def test_a_sample_takes_what_ran_outside_of_metered_parts_since_the_one_before(account: Any, clock: Clock) -> None:
    frame = sys._getframe()
    with account.part(meter.UNKNOWN):
        clock.seconds = 2
        with account.part("metered"):
            clock.seconds = 5
            account.sample(frame)
        clock.seconds = 6
        assert account.parts[meter.UNKNOWN] == 2
        _under("dagster._core.execution", account.sample)
    assert account.parts[meter.DAGSTER] == 3
    assert account.parts["metered"] == 3
    assert account.parts[meter.UNKNOWN] == 0


@pytest.mark.parametrize(
    ("stack", "owner"),
    [
        ("dagster._core.execution", "Dagster: the rest"),
        ("dagster._core.execution sqlalchemy.engine", "Dagster: the rest"),
        ("dagster._core.instance dagster._core.storage.event_log dagster_shared.serdes", meter.DAGSTER_STORAGE),
        ("dagster._core.execution cx_orchestration.assets.identity", "our Python: assets"),
        ("dagster._core.execution cx_orchestration.identity.links pandas.core", "our Python: identity"),
        ("dagster._core.storage.event_log cx_orchestration.assets.edge", "our Python: assets"),
        ("cx_orchestration.assets.landing dagster._core.execution.context", "Dagster: the rest"),
        ("dagster._core.storage.event_log cx_orchestration.commands.demo", meter.DAGSTER_STORAGE),
        ("pandas.core", meter.UNKNOWN),
    ],
)
def test_a_stack_belongs_to_the_innermost_that_is_dagsters_or_ours(stack: str, owner: str) -> None:
    assert _under(stack, meter.owner) == owner


def test_landing_is_charged_to_extraction_without_its_commits(account: Any, clock: Clock) -> None:
    class Service:
        def land(
            self, lake: object, stream: str, days: DayRange, *, run_id: str, now: dt.datetime, **more: Any
        ) -> Landing:
            clock.seconds += 3
            with account.part(meter.DELTA):
                clock.seconds += 5
            return Landing(records={DAY: 40}, requests=2)

    landed = meter.Landed()
    service = meter.MeteredService(account, Service(), landed)
    for _ in range(2):
        service.land(None, "charges", DayRange(DAY, DAY), run_id="run", now=dt.datetime.now(dt.UTC))
    assert landed == meter.Landed(records=80, requests=4, extraction=6, commits=10)


def _under(stack: str, call: Any) -> Any:
    """What ``call`` returns for a frame under which these modules lie, outermost first."""

    def innermost() -> Any:
        return call(sys._getframe(1))

    step = innermost
    for module in reversed(stack.split()):
        scope = {"__name__": module, "inner": step}
        exec("def step(): return inner()", scope)
        step = scope["step"]  # type: ignore[assignment]  # what exec defined has no type
    return step()
