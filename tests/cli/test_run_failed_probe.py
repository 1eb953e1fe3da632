"""``cx run``, ``cx failed`` and ``cx probe`` on the project that ``cx init`` writes: no network, a few records."""

import datetime as dt
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.commands.materialize import AssetFailure, Materialized, materialize_project
from cx_orchestration.commands.run import summary_of
from cx_orchestration.commands.summary import print_summary
from cx_orchestration.integration.failed import Folders
from cx_orchestration.integration.rejections import count_rejections
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import MAPPING, Attempt, LeftFailed, Registry

ORDERS = "drops/store_till/orders-2026-01.csv"
OF_ORDERS = "landing/store_till/orders,integration/store_till/events"
WEEK = ("--since", "2026-01-05", "--until", "2026-01-11")
AT = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


def cx(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def in_one_line(told: str) -> str:
    """What a person reads, without the frames and line ends of the terminal."""
    return " ".join(told.replace("│", " ").split())


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CX_PROJECT", "DAGSTER_HOME", "HELP_DESK_URL", "HELP_DESK_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """A project nothing was run in; a blank in its path must be quoted where a command is printed."""
    folder = tmp_path / "my company"
    assert cx("init", folder).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was run from end to end once."""
    folder = tmp_path_factory.mktemp("finished") / "company"
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("DAGSTER_HOME", raising=False)
        assert cx("init", folder).exit_code == 0
        done = cx("run", "--project", folder, "--json", folder / "summary.json")
    assert done.exit_code == 0, done.output
    return folder


def record(folder: Path, *attempts: tuple[str, int, str]) -> None:
    """Failed attempts of the till: stream, day of January, reason."""
    registry = Registry(CXProject.load(folder).registry_url())
    registry.record(
        Attempt("store_till", stream, dt.date(2026, 1, day), "r", AT, "failed", failure="PermanentFailure", message=why)
        for stream, day, why in attempts
    )
    registry.close()


# --- run ------------------------------------------------------------------------------------------------------------


def test_a_run_writes_its_summary_as_json(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    assert summary["days"] == "2026-01-01..2026-01-31"
    till, desk = summary["services"]
    assert till == {
        "service": "store_till",
        "records": 15,
        "events": 15,
        "rejected": 0,
        "failed_days": 0,
        "refused": "",
    }
    assert (desk["service"], desk["records"], "decisions.yaml" in desk["refused"]) == ("help_desk", 0, True)
    assert {row["service"]: row["status"] for row in summary["plan"]} == {
        "help_desk": "proposed",
        "newsletter": "proposed",
        "store_till": "approved",
    }
    assert (summary["customers"], summary["events"]) == (4, 15)
    assert sum(row["instances"] for row in summary["journeys"]) == 5
    assert set(summary["findings"]) == {
        "abandonment_hotspots",
        "support_shifts",
        "profitable_paths",
        "change_priorities",
        "incidents",
    }
    assert summary["failures"] == []


def test_services_are_summed_up_over_the_asked_days_and_customers_over_the_whole_lake(
    finished: Path, tmp_path: Path
) -> None:
    record(finished, ("orders", 20, "the file was damaged"))
    done = cx("run", "--project", finished, *WEEK, "--select", OF_ORDERS, "--json", tmp_path / "week.json")
    assert done.exit_code == 0, done.output
    week = json.loads((tmp_path / "week.json").read_text(encoding="utf-8"))
    lake = Lake(finished / "lake")
    within = {"day": (dt.date(2026, 1, 5), dt.date(2026, 1, 11))}
    events = lake.read(tables.EVENTS, within).num_rows
    landed = sum(lake.read(tables.landed("store_till", each), within).num_rows for each in ("customers", "orders"))
    till = week["services"][0]
    assert (week["days"], till["events"], till["records"]) == ("2026-01-05..2026-01-11", events, landed)
    assert 0 < events < 15
    assert till["failed_days"] == 0
    assert (week["customers"], week["events"]) == (4, 15)
    assert "Services, 2026-01-05..2026-01-11 only" in done.stdout
    assert "The whole lake" not in done.stdout


def test_a_run_shows_what_was_asked_for_and_nothing_else(finished: Path) -> None:
    shown = cx("run", "--project", finished, *WEEK, "--select", OF_ORDERS).stdout
    assert "store_till" in shown
    for other in ("help_desk", "Integration plan", "Journeys", "Abandonment", "none"):
        assert other not in shown
    shown = cx("run", "--project", finished, *WEEK, "--select", "journeys/steps,journeys/sequences").stdout
    along = "journeys/event_types, journeys/instances, journeys/maps, journeys/threads"
    assert f"made along with what was selected, by the same steps: {along}" in in_one_line(shown)
    assert "Abandonment" not in shown
    assert "Services" not in shown


def test_what_is_owed_is_read_and_nothing_else(company: Path, tmp_path: Path) -> None:
    read = ("run", "--project", company, "--select", OF_ORDERS, "--until", "2026-01-06")
    assert cx(*read, "--since", "2026-01-05").exit_code == 0
    record(company, (MAPPING, 5, "no such value"))
    assert cx(*read, "--owed").exit_code == 0
    with closing(Registry(CXProject.load(company).registry_url())) as registry:
        landings = registry.landed_at("store_till", "orders")
        assert sorted(day.day for day in landings) == [1, 2, 3, 4, 5, 6]
        assert max(landings[dt.date(2026, 1, day)] for day in (5, 6)) < landings[dt.date(2026, 1, 1)]


def test_a_record_without_a_time_counts_once_however_many_days_report_it(company: Path, tmp_path: Path) -> None:
    file = company / ORDERS
    file.write_text(file.read_text("utf-8") + "O-599,C-1001,placed,some day,10.00,footwear\n", "utf-8")
    asked = ("run", "--project", company, *WEEK, "--select", OF_ORDERS, "--json", tmp_path / "week.json")
    done = cx(*asked)
    till = json.loads((tmp_path / "week.json").read_text(encoding="utf-8"))["services"][0]
    landed = Lake(company / "lake").read(tables.landed("store_till", "orders"))
    assert landed.num_rows == till["records"] + 6
    assert till["rejected"] == 1
    told = in_one_line(done.stdout)
    assert "orders: there are records without a readable updated_at; each lands in every day that reports it" in told
    assert "outside" not in told, "a dropped file holds other days as well"
    ranges = count_rejections(
        Lake(company / "lake"),
        Engine(),
        CXProject.load(company).services["store_till"],
        DayRange(dt.date(2026, 1, 5), dt.date(2026, 1, 11)),
    )
    assert {each.stream: (each.records, each.rejected) for each in ranges}["orders"] == (till["records"], 1)


def test_rejected_records_are_counted_in_the_asked_days(company: Path) -> None:
    file = company / ORDERS
    header, first, *rest = file.read_text(encoding="utf-8").splitlines()
    total = header.split(",").index("total")
    cells = first.split(",")
    day = next(cell for cell in cells if cell.startswith("2026-"))[:10]
    cells[total] = "a lot"
    file.write_text("\n".join([header, ",".join(cells), *rest]) + "\n", encoding="utf-8")
    rejected = {}
    for since, until in ((day, day), ("2026-01-30", "2026-01-31")):
        asked = ("--since", since, "--until", until, "--select", OF_ORDERS, "--json", company / "summary.json")
        assert cx("run", "--project", company, *asked).exit_code == 0
        summary = json.loads((company / "summary.json").read_text(encoding="utf-8"))
        rejected[since] = summary["services"][0]["rejected"]
    assert rejected == {day: 1, "2026-01-30": 0}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--since", "2026-01-09", "--until", "2026-01-08"), 1, "--since 2026-01-09 lies after --until 2026-01-08"),
        (("--since", "2025-12-31"), 1, "reaches outside the project's days 2026-01-01..2026-01-31"),
        (("--until", "2026-02-01"), 1, "reaches outside the project's days 2026-01-01..2026-01-31"),
        (("--since", "yesterday"), 2, "'yesterday' does not match the formats '%Y-%m-%d'"),
        (("--select", "landing/store_till/refunds"), 1, "--select 'landing/store_till/refunds' names no asset"),
        (("--select", "group:(("), 1, "--select 'group:((' cannot be read"),
        (("--json", "/nowhere/summary.json"), 1, "there is no folder /nowhere; make it, or name another"),
        (("--lake", "/tmp/day=1/lake"), 1, "the lake cannot lie in '/tmp/day=1/lake'"),
    ],
)
def test_a_wrong_option_is_told_before_anything_runs(
    company: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = cx("run", "--project", company, *arguments)
    assert done.exit_code == code
    assert message in in_one_line(done.stderr)
    assert "Traceback" not in done.output
    assert Lake(company / "lake").paths() == []


@pytest.mark.parametrize("command", [("run",), ("failed",), ("probe", "store_till")])
def test_a_broken_project_is_told_error_by_error_and_without_a_trace(company: Path, command: tuple[str, ...]) -> None:
    settings = company / "project.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("currency: USD", "curency: usd"), encoding="utf-8")
    (company / "identity.yaml").unlink()
    done = cx(*command, "--project", company)
    assert done.exit_code == 1
    assert "did you mean 'currency'?" in done.stderr
    assert "identity.yaml: the file is missing" in done.stderr
    assert "Traceback" not in done.output


# --- failed ---------------------------------------------------------------------------------------------------------


def test_the_printed_command_mends_what_failed(company: Path) -> None:
    file = company / ORDERS
    good = file.read_text(encoding="utf-8")
    file.write_text(good + "a,line,too,short\n", encoding="utf-8")
    done = cx("run", "--project", company, *WEEK, "--select", OF_ORDERS)
    assert done.exit_code == 1
    assert "failed landing/store_till/orders 2026-01-05..2026-01-11: " in done.stdout
    assert done.stdout.splitlines()[-1].endswith("lists them with the command that reruns each")
    assert "Traceback" not in done.output

    listed = cx("failed", "--project", company)
    assert listed.exit_code == 1
    what, reason, command, _, afterwards = listed.stdout.splitlines()
    assert what.startswith("landing/store_till/orders 2026-01-05..2026-01-11: permanent, once since ")
    assert "4 values under" in reason

    file.write_text(good, encoding="utf-8")
    program, *arguments = shlex.split(command)
    assert program == "cx"
    mended = cx(*arguments)
    assert mended.exit_code == 0, mended.output
    after = cx("failed", "--project", company)
    assert (after.exit_code, after.stdout.splitlines()[0]) == (0, "No partition is left failed.")
    assert "the run itself said" in after.stdout
    assert shlex.split(afterwards)[-2:] == ["--select", 'key:"integration/customer_events"+']
    lake = Lake(company / "lake")
    records = set(lake.read(tables.landed("store_till", "orders"))["record_id"].to_pylist())
    assert records
    assert set(lake.read(tables.EVENTS)["record_id"].to_pylist()) == records


def test_a_run_ends_with_each_reason_its_days_and_the_command_that_lists_the_reruns(company: Path) -> None:
    damaged = [("orders", day, "damaged") for day in (5, 6, 8)]
    record(company, *damaged, ("orders", 7, "empty"), ("customers", 5, "not of this run"), ("orders", 20, "not asked"))
    days = DayRange(dt.date(2026, 1, 5), dt.date(2026, 1, 11))
    failures = [AssetFailure("landing/store_till/orders", "damaged"), AssetFailure("catalog/overlap", "no plan")]
    done = Materialized(days, ["store_till"], {}, failures=failures)
    summary = summary_of(CXProject.load(company), done, None)
    shown = io.StringIO()
    print_summary(summary, Console(file=shown, width=200), Folders(company))
    assert shown.getvalue().splitlines()[-5:] == [
        "failed landing/store_till/orders 2026-01-05..2026-01-06, 2026-01-08: damaged",
        "failed landing/store_till/orders 2026-01-07: empty",
        "failed catalog/overlap: no plan",
        f"  again, with what follows from it: cx run --project '{company}' --select 'key:\"catalog/overlap\"+'",
        f"cx failed --project '{company}' lists them with the command that reruns each",
    ]


def test_a_stream_that_failed_before_it_came_to_a_day_is_run_again_for_the_asked_days(company: Path) -> None:
    day = DayRange(dt.date(2026, 1, 5), dt.date(2026, 1, 5))
    done = Materialized(day, ["store_till"], {}, failures=[AssetFailure("landing/store_till/orders", "no engine")])
    shown = io.StringIO()
    print_summary(summary_of(CXProject.load(company), done, None), Console(file=shown, width=200), Folders(company))
    *_, what, again = shown.getvalue().splitlines()
    assert what == "failed landing/store_till/orders: no engine"
    assert shlex.split(again)[-6:] == [
        "--since", "2026-01-05", "--until", "2026-01-05", "--select", 'key:"landing/store_till/orders"+'
    ]  # fmt: skip


def test_what_failed_after_the_days_is_told_with_the_way_out_and_what_is_not_of_this_run(
    finished: Path, tmp_path: Path
) -> None:
    company = tmp_path / "company"
    shutil.copytree(finished, company)
    lake = Lake(company / "lake")
    sequenced = lake.rows(tables.SEQUENCES)
    folder = lake.folder_of(tables.SEQUENCES)
    for file in lake.live_files(tables.SEQUENCES):
        (folder / file.path).write_bytes(b"rubbish")
    with (company / ORDERS).open("a", encoding="utf-8") as orders:
        orders.write("O-900,C-1001,placed,2026-01-09 10:00,10.00,footwear\n")
    again = cx("run", "--project", company, *WEEK, "--select", f"{OF_ORDERS},integration/customer_events,journeys/*")
    told = in_one_line(again.stdout)
    assert again.exit_code == 1
    assert "Journeys (of an earlier run: see what failed below)" in told
    assert f"or move {folder} away and make the table again: cx run --select group:journeys" in told
    shutil.move(folder, tmp_path / "away")
    command = shlex.split(again.stdout.splitlines()[-1].partition(": ")[2])
    assert command[-1] == 'key:"journeys/event_types"+ or key:"journeys/sequences"+'
    mended = cx(*command[1:])
    assert mended.exit_code == 0, mended.output
    assert "of an earlier run" not in mended.stdout
    assert lake.rows(tables.SEQUENCES) == sequenced + 1
    assert lake.note(tables.INSTANCES)["sequences"] == lake.state(tables.SEQUENCES), "what follows was made, too"


def test_decisions_about_nobody_are_told_and_a_map_that_waits_for_people_is_not_to_be_run_again(
    finished: Path, tmp_path: Path
) -> None:
    company = tmp_path / "company"
    shutil.copytree(finished, company)
    decided = ", decision: always, by: steward, on: 2026-02-01, why: seen}\n"
    pairs = [("store_till/C-1001", "store_till/C-1002"), ("store_till/C-1002", "store_till/C-1003")]
    pairs += [("store_till/C-1001", "help_desk/4"), ("store_till/C-9", "help_desk/4")]
    entries = "".join(f"  - {{left: {left}, right: {right}{decided}" for left, right in pairs)
    (company / "identity_overrides.yaml").write_text(f"overrides:\n{entries}", encoding="utf-8")
    with (company / "identity.yaml").open("a", encoding="utf-8") as rules:
        rules.write("publish_gate: {largest_cluster: 2}\n")
    run = ("run", "--project", company, "--select", "identity/links,identity/identity_map")
    stopped = cx(*run)
    told = in_one_line(stopped.stdout)
    assert stopped.exit_code == 1
    assert "identity_overrides.yaml: 2 decisions are without effect, as there is no such record" in told
    assert "overrides[2].right, overrides[3].left, overrides[3].right" in told
    assert "overrides[0]" not in told
    assert "publish it once with 'cx identity publish --accept largest_cluster'" in told
    assert "again, with what follows from it" not in told
    (company / "identity_overrides.yaml").write_text("overrides:\n", encoding="utf-8")
    taken_out = cx(*run)
    assert taken_out.exit_code == 0, taken_out.output
    assert "without effect" not in taken_out.stdout


def test_a_run_that_ended_before_its_first_step_failed(company: Path) -> None:
    class Away(dg.ConfigurableResource[Registry]):
        def create_resource(self, context: dg.InitResourceContext) -> Registry:
            raise TransientFailure("the registry cannot be reached")

    project, days = CXProject.load(company), DayRange(dt.date(2026, 1, 5), dt.date(2026, 1, 5))
    with dg.DagsterInstance.ephemeral() as instance:
        select = "integration/customer_events,journeys/maps"
        done = materialize_project(project, instance, days=days, select=select, resources={"registry": Away()})
    assert AssetFailure("integration/customer_events", "the registry cannot be reached") in done.failures
    assert "integration/customer_events" in done.not_made


def test_a_check_that_cannot_be_made_is_a_failure_beside_the_others(company: Path) -> None:
    class Locked(Registry):
        def left_failed(self, service: str | None = None) -> list[LeftFailed]:
            raise TransientFailure("the registry is locked")

    project, days = CXProject.load(company), DayRange(dt.date(2026, 1, 5), dt.date(2026, 1, 5))
    registry = dg.ResourceDefinition.hardcoded_resource(Locked(project.registry_url()))
    with dg.DagsterInstance.ephemeral() as instance:
        select = "integration/customer_events,journeys/maps"
        done = materialize_project(project, instance, days=days, select=select, resources={"registry": registry})
    assert {failure.asset for failure in done.failures} >= {"integration/customer_events"}


def test_neighbouring_days_with_one_reason_are_one_command(company: Path) -> None:
    record(company, *[("orders", day, "damaged") for day in (3, 4, 6)], ("orders", 5, "empty"))
    done = cx("failed", "--project", company)
    assert done.exit_code == 1
    assert [line.split(" --since ")[1].split(" --select")[0] for line in done.stdout.splitlines()[2:-2:3]] == [
        "2026-01-03 --until 2026-01-04",
        "2026-01-06 --until 2026-01-06",
        "2026-01-05 --until 2026-01-05",
    ]


def test_a_failed_mapping_is_mapped_again_without_landing(company: Path) -> None:
    record(company, (MAPPING, 3, "no such value"))
    record(company, (MAPPING, 3, "no such value"))
    what, reason, command, *_ = cx("failed", "--project", company).stdout.splitlines()
    assert what == "integration/store_till/events 2026-01-03: permanent, 2 times since 2026-02-01 00:00 UTC"
    assert reason == "  no such value"
    assert shlex.split(command)[-2:] == ["--select", "integration/store_till/events"]


def test_failures_of_another_lake_are_listed_with_that_lake(company: Path, tmp_path: Path) -> None:
    settings = company / "project.yaml"
    text = settings.read_text(encoding="utf-8").replace("  registry: sqlite:///registry.db\n", "")
    settings.write_text(text, encoding="utf-8")
    other = tmp_path / "other lake"
    assert cx("failed", "--project", company, "--lake", other).exit_code == 0
    registry = Registry(CXProject.load(company).registry_url(other))
    registry.record([Attempt("store_till", "orders", dt.date(2026, 1, 3), "r", AT, "failed", message="damaged")])
    registry.close()
    done = cx("failed", "--project", company, "--lake", other)
    arguments = shlex.split(done.stdout.splitlines()[2])
    assert arguments[arguments.index("--lake") + 1] == str(other)
    assert cx("failed", "--project", company).exit_code == 0


def test_the_list_for_programs_has_everything_the_list_for_people_has(company: Path) -> None:
    record(company, ("orders", 3, "damaged"), ("orders", 4, "damaged"))
    registry = Registry(CXProject.load(company).registry_url())
    registry.waits.postpone("store_till", TransientFailure("no answer"), now=AT)
    registry.waits.postpone("help_desk", TransientFailure("not decided about"), now=AT)
    registry.unaskable.failed("store_till", PermanentFailure("refused the credentials"), now=AT)
    registry.unaskable.failed("help_desk", PermanentFailure("not decided about"), now=AT)
    registry.close()
    done = cx("failed", "--project", company, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    (failed,) = found["failed"]
    command = shlex.split(failed.pop("rerun"))
    assert command == [
        *("cx", "run", "--project", str(company), "--since", "2026-01-03", "--until", "2026-01-04"),
        *("--select", OF_ORDERS),
    ]
    assert failed == {
        "asset": "landing/store_till/orders",
        "service": "store_till",
        "stream": "orders",
        "since_day": "2026-01-03",
        "until_day": "2026-01-04",
        "class": "permanent",
        "reason": "damaged",
        "failed_since": "2026-02-01T00:00:00+00:00",
        "times": 1,
    }
    assert [(wait["service"], wait["reason"]) for wait in found["silent"]] == [("store_till", "no answer")]
    assert found["unaskable"] == [
        {
            "service": "store_till",
            "reason": "refused the credentials",
            "failed_since": "2026-02-01T00:00:00+00:00",
            "times": 1,
        }
    ]
    shown = cx("failed", "--project", company).stdout
    assert "store_till: could not be asked, once since 2026-02-01 00:00 UTC\n  refused the credentials\n" in shown
    assert "store_till is left alone until 2026-02-01 00:05 UTC" in shown


def asked_to_wait(company: Path, hours: int) -> dt.datetime:
    """Record a till that asked now to be left alone; gives until when."""
    with closing(Registry(CXProject.load(company).registry_url())) as registry:
        failure = TransientFailure("HTTP 429", retry_after=3600 * hours)
        return registry.waits.postpone("store_till", failure, now=dt.datetime.now(dt.UTC)).until


def test_what_may_not_be_asked_yet_says_after_when_to_rerun_it(company: Path) -> None:
    record(company, ("orders", 3, "HTTP 429"), (MAPPING, 4, "no such value"))
    until = asked_to_wait(company, 2)
    _, _, mapping, _, reason, after, command, _, _, wait = cx("failed", "--project", company).stdout.splitlines()
    assert "--select integration/store_till/events" in mapping
    assert (reason, after) == (
        "  HTTP 429",
        f"  it asked to be left alone: run this after {until:%Y-%m-%d %H:%M} UTC",
    )
    assert command.startswith("  cx run")
    assert wait.endswith("as it asked; it failed once: HTTP 429")


def test_a_wait_is_lifted_by_hand_and_only_once(company: Path) -> None:
    asked_to_wait(company, 2)
    lifted = cx("failed", "--project", company, "--lift", "store_till")
    assert (lifted.exit_code, lifted.stdout.splitlines()[0]) == (0, "No partition is left failed.")
    assert "lifted: store_till is left alone until" in lifted.stderr
    again = cx("failed", "--project", company, "--lift", "store_till")
    assert again.exit_code == 1
    assert "--lift store_till: it is not left alone, nor is any other" in again.stderr


@pytest.mark.parametrize("file", ["services/help_desk.yaml", "decisions.yaml"])
def test_a_broken_file_does_not_hide_what_is_left_failed(company: Path, file: str) -> None:
    record(company, ("orders", 3, "damaged"))
    (company / file).write_text("}{", encoding="utf-8")
    done = cx("failed", "--project", company)
    assert done.exit_code == 1
    assert done.stdout.startswith("landing/store_till/orders 2026-01-03: permanent")
    assert f"{file}:1" in done.stderr
    (company / "project.yaml").write_text("}{", encoding="utf-8")
    assert "project.yaml" in cx("failed", "--project", company).stderr


def test_partitions_of_a_service_that_is_not_integrated_any_more_wait_for_nobody(company: Path) -> None:
    record(company, ("orders", 3, "damaged"), (MAPPING, 3, "damaged"))
    (company / "decisions.yaml").write_text("decisions: []\n", encoding="utf-8")
    done = cx("failed", "--project", company)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "No partition is left failed.")


# --- which project --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "failed", "probe"])
def test_help_says_where_the_project_is_taken_from(command: str) -> None:
    shown = in_one_line(cx(command, "--help").output)
    assert "CX_PROJECT" in shown
    assert "by default the current one" in shown


def test_the_project_is_named_by_the_option_then_by_the_environment_then_by_the_current_folder(
    company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(company, ("orders", 3, "damaged"))
    other = tmp_path / "other"
    assert cx("init", other).exit_code == 0
    monkeypatch.chdir(company)
    assert cx("failed").exit_code == 1
    assert cx("probe", "store_till").exit_code == 0
    monkeypatch.setenv("CX_PROJECT", str(other))
    assert cx("failed").exit_code == 0
    assert cx("failed", "--project", company).exit_code == 1


def test_where_there_is_no_project_the_files_it_lacks_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (("run",), ("failed",), ("probe", "store_till")):
        done = cx(*command)
        assert done.exit_code == 1
        assert "project.yaml" in done.stderr
        assert "Traceback" not in done.output


# --- probe ----------------------------------------------------------------------------------------------------------


def test_a_probe_says_of_each_stream_what_it_tried(company: Path) -> None:
    done = cx("probe", "store_till", "--project", company, "--json", company / "probe.json")
    assert done.exit_code == 0
    report = json.loads((company / "probe.json").read_text(encoding="utf-8"))
    assert (report["service"], report["passed"]) == ("store_till", True)
    assert [stream["stream"] for stream in report["streams"]] == ["customers", "orders"]
    for stream in report["streams"]:
        statuses = {finding["check"]: finding["status"] for finding in stream["findings"]}
        assert {statuses[check] for check in ("files", "readable", "columns", "record_id", "times")} == {"ok"}
        assert set(statuses) <= set(done.stdout.split())


def test_a_probe_of_one_stream_says_nothing_of_others(company: Path) -> None:
    done = cx("probe", "store_till", "--project", company, "--stream", "orders")
    assert done.exit_code == 0
    assert "orders" in done.stdout
    assert "customers" not in done.stdout
    wrong = cx("probe", "store_till", "--project", company, "--stream", "order")
    assert (wrong.exit_code, wrong.stderr) == (
        1,
        "error: store_till declares no stream 'order'; it has customers, orders\n",
    )


def test_a_probe_that_cannot_reach_its_service_names_the_reason(company: Path) -> None:
    done = cx("probe", "help_desk", "--project", company)
    assert done.exit_code == 1
    assert done.stdout.split("\n")[1].split()[:3] == ["tickets", "connection", "failed"]
    assert "HELP_DESK_URL" in done.stdout
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "2026-01-09", "--until", "2026-01-08"), "--until 2026-01-08 lies before 2026-01-09"),
        (("--since", "2999-01-01", "--until", "2999-01-02"), "2999-01-01 has not begun"),
        (("--json", "/nowhere/probe.json"), "there is no folder /nowhere; make it, or name another"),
    ],
)
def test_a_wrong_option_of_a_probe_is_told_before_anything_is_asked(
    company: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = cx("probe", "store_till", "--project", company, *arguments)
    assert done.exit_code == 1
    assert message in in_one_line(done.stderr)


def test_a_probe_of_a_service_that_is_not_declared_names_those_that_are(company: Path) -> None:
    done = cx("probe", "till", "--project", company)
    assert done.exit_code == 1
    assert done.stderr == f"error: {company} declares no service 'till'; it has help_desk, store_till\n"


def test_a_broken_file_of_another_service_is_a_warning_to_a_probe(company: Path) -> None:
    broken = company / "services" / "help_desk.yaml"
    broken.write_text(broken.read_text(encoding="utf-8").replace("email: req", "e_mail: req"), encoding="utf-8")
    (company / "services" / "worse.yaml").write_text("service: [\n", encoding="utf-8")
    done = cx("probe", "store_till", "--project", company)
    assert done.exit_code == 0, done.output
    assert "warning: another service is left out: services/help_desk.yaml:" in done.stderr
    assert "warning: another service is left out: services/worse.yaml:" in done.stderr
    itself = cx("probe", "help_desk", "--project", company)
    assert itself.exit_code == 1
    assert "did you mean 'email'?" in itself.stderr
    assert "warning" not in itself.stderr


# --- Dagster's own command ------------------------------------------------------------------------------------------


def test_dagster_finds_the_definitions_valid_and_nothing_of_ours_warns(company: Path, tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("dagster"), "definitions", "validate"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CX_PROJECT": str(company), "DAGSTER_HOME": str(tmp_path), "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Validation successful" in said
    assert [line for line in said.splitlines() if "/cx_orchestration/" in line and "Warning" in line] == []
    assert " WARNING " not in said
