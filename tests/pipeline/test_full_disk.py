"""``cx run`` meets a full disk: the day that did not fit fails and says why, all else is done, a rerun completes."""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.model import tables
from cx_orchestration.storage.lake import Lake

HELP_DESK = """\
service: help_desk
kind: files
streams:
  tickets:
    files: {pattern: "drops/help_desk/tickets-{day}.csv", format: csv}
    record_id: ticket_no
    updated_at: opened_at
    events:
      - {type: support.requested, occurred_at: opened_at, channel: email, entity: customer_no}
"""
DECIDED = """\
  - service: help_desk
    disposition: integrate
    decided_by: Head of Support
    role: business leader
    decided_on: 2026-01-20
    reason: It is asked in a test.
"""
LARGEST_FILE = 1 << 20


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A till with small days, and a help desk whose second day is larger than the disk, however it is compressed."""
    for name in ("CX_PROJECT", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "company"
    assert CliRunner().invoke(app, ["init", str(folder)]).exit_code == 0
    (folder / "services" / "help_desk.yaml").write_text(HELP_DESK, encoding="utf-8")
    with (folder / "decisions.yaml").open("a", encoding="utf-8") as decisions:
        decisions.write(DECIDED)
    noise = random.Random(20260601)
    drops = folder / "drops" / "help_desk"
    drops.mkdir()
    for day, count in (("2026-01-05", 1), ("2026-01-06", 300), ("2026-01-07", 1)):
        rows = [f"T-{day}-{number},C-1,{day}T19:00:00Z,{noise.randbytes(5_000).hex()}" for number in range(count)]
        text = "\n".join(["ticket_no,customer_no,opened_at,text", *rows]) + "\n"
        (drops / f"tickets-{day}.csv").write_text(text, encoding="utf-8")
    return folder


def run(folder: Path) -> Result:
    select = ["--select", "group:landing or group:integration"]
    days = ["--since", "2026-01-05", "--until", "2026-01-07"]
    return CliRunner().invoke(app, ["run", "--project", str(folder), *days, *select])


def landed_days(folder: Path, service: str, stream: str) -> list[int]:
    return [day.day for day in Lake(folder / "lake").days_of(tables.landed(service, stream))]


def test_what_does_not_fit_fails_alone_and_a_rerun_completes(
    company: Path, no_file_longer_than: Callable[[int], AbstractContextManager[None]]
) -> None:
    with no_file_longer_than(LARGEST_FILE):
        done = run(company)
    said = " ".join(done.output.replace("│", " ").split())
    assert done.exit_code == 1
    assert "landing/help_desk/tickets: the disk of" in said
    assert "Make room, then rerun" in said
    assert landed_days(company, "help_desk", "tickets") == [5, 7]
    assert landed_days(company, "store_till", "orders") == [5, 6, 7]
    events = Lake(company / "lake").read(tables.EVENTS)
    before = Counter(events["service"].to_pylist())
    assert before["help_desk"] == 2
    assert before["store_till"] > 0

    left = CliRunner().invoke(app, ["failed", "--project", str(company)])
    assert left.exit_code == 1
    assert "landing/help_desk/tickets" in left.output

    assert run(company).exit_code == 0
    assert landed_days(company, "help_desk", "tickets") == [5, 6, 7]
    events = Lake(company / "lake").read(tables.EVENTS)
    assert Counter(events["service"].to_pylist()) == before | {"help_desk": 302}
    assert CliRunner().invoke(app, ["failed", "--project", str(company)]).exit_code == 0
