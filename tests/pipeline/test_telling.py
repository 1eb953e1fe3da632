"""People are told once that something fails and once that it works again, and no secret is in any log."""

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner
from webhook import Webhook, listening

from cx_orchestration.alerts.desk import Desk
from cx_orchestration.alerts.destinations import Destinations
from cx_orchestration.alerts.messages import failure_message
from cx_orchestration.cli import app
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.alerts import Trouble
from cx_orchestration.storage.registry import Registry

NOW = dt.datetime(2026, 7, 1, 3, tzinfo=dt.UTC)
TROUBLE = Trouble("stripe", "transient", NOW, "run1", "2026-06-29..2026-06-30", "stripe/charges: HTTP 503")
UI = "https://dagster.example.org/"
LIST = "cx failed --project shop"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening() as hook:
        yield hook


class Telling:
    """A desk over a fresh registry, and what it logged."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.registry = Registry(f"sqlite:///{folder}/registry.db")
        self.log: list[str] = []
        self.desk = Desk(
            self.registry.troubles, Destinations(environ, environ), self.log.append, ui_url=UI, list_command=LIST
        )


def test_a_message_says_what_fails_since_when_why_of_which_class_and_where_to_look() -> None:
    message = failure_message(TROUBLE, UI, LIST)
    assert message.title == "stripe fails (transient)"
    assert message.body.splitlines() == [
        "what: stripe",
        "days: 2026-06-29..2026-06-30",
        "class: transient: it is tried again by itself",
        "reason: stripe/charges: HTTP 503",
        "since: 2026-07-01 03:00 UTC",
        "look: https://dagster.example.org/runs/run1",
        f"what is left failed, and the commands that rerun it: {LIST}",
    ]


def test_a_trouble_is_told_once_until_it_is_over_and_its_end_once(tmp_path: Path, webhook: Webhook) -> None:
    telling = Telling(tmp_path, HOOK=webhook.url)
    for run in ("run1", "run2"):
        telling.desk.begin([replace(TROUBLE, run_id=run)])
        telling.desk.tell(NOW)
    assert webhook.titles == ["stripe fails (transient)"]
    (standing,) = telling.registry.troubles.standing()
    telling.desk.over(standing)
    assert webhook.titles[1:] == ["stripe works again (transient)"]
    telling.desk.begin([TROUBLE])
    telling.desk.tell(NOW)
    assert webhook.titles[2:] == ["stripe fails (transient)"]
    assert telling.log == []


def test_a_destination_that_fails_is_named_by_its_variable_and_the_others_are_told(
    tmp_path: Path, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    broken = webhook.url.replace("/alerts", "/nowhere")
    telling = Telling(tmp_path, BROKEN=broken, UNREADABLE="no://such:hook-secret@thing", UNSET="", HOOK=webhook.url)
    telling.desk.begin([TROUBLE])
    assert telling.desk.tell(NOW) == 1
    assert webhook.titles == ["stripe fails (transient)"]
    assert telling.log == [
        "BROKEN: the destination did not take the message; message: stripe fails (transient)",
        "UNREADABLE: its value is no address that Apprise knows; message: stripe fails (transient)",
        "UNSET: the environment variable is not set; message: stripe fails (transient)",
    ]
    assert "hook-secret" not in caplog.text


def test_what_no_destination_took_is_told_the_next_time(tmp_path: Path, webhook: Webhook) -> None:
    telling = Telling(tmp_path, HOOK=webhook.url)
    webhook.status = 500
    telling.desk.begin([TROUBLE])
    assert telling.desk.tell(NOW) == 0
    webhook.status = 200
    assert telling.desk.tell(NOW) == 1
    assert telling.desk.tell(NOW) == 0
    assert webhook.titles == ["stripe fails (transient)"]


def test_an_end_that_no_destination_took_is_told_the_next_time(tmp_path: Path, webhook: Webhook) -> None:
    telling = Telling(tmp_path, HOOK=webhook.url)
    telling.desk.begin([TROUBLE])
    telling.desk.tell(NOW)
    webhook.status = 500
    telling.desk.over(*telling.registry.troubles.standing())
    telling.desk.begin([replace(TROUBLE, run_id="run2")])
    webhook.status = 200
    assert telling.desk.tell(NOW) == 0, "that it fails is known to those who never heard of its end"
    telling.desk.over(*telling.registry.troubles.standing())
    assert webhook.titles == ["stripe fails (transient)", "stripe works again (transient)"]
    assert telling.registry.troubles.standing() == []


def test_a_trouble_ends_untold_when_there_is_nobody_to_tell_any_more(tmp_path: Path, webhook: Webhook) -> None:
    before = Telling(tmp_path, HOOK=webhook.url)
    before.desk.begin([TROUBLE])
    before.desk.tell(NOW)
    now = Telling(tmp_path)
    now.desk.over(*now.registry.troubles.standing())
    assert now.registry.troubles.standing() == []


def test_the_end_of_a_trouble_that_nobody_was_told_of_is_not_told(tmp_path: Path, webhook: Webhook) -> None:
    telling = Telling(tmp_path, HOOK=webhook.url)
    telling.desk.begin([TROUBLE])
    (standing,) = telling.registry.troubles.standing()
    telling.desk.over(standing)
    assert webhook.messages == []


def test_cx_alert_test_says_which_destinations_took_the_message(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_template(tmp_path / "shop")
    settings = tmp_path / "shop" / "project.yaml"
    none = CliRunner().invoke(app, ["alert-test", "--project", str(tmp_path / "shop")])
    assert none.exit_code == 1
    assert "alerts.urls_env" in none.stderr
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text + "\nalerts: {urls_env: [HOOK, OTHER]}\n", encoding="utf-8")
    monkeypatch.setenv("HOOK", webhook.url)
    monkeypatch.delenv("OTHER", raising=False)
    done = CliRunner().invoke(app, ["alert-test", "--project", str(tmp_path / "shop")])
    assert done.exit_code == 1
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["sent", "HOOK"],
        ["failed", "OTHER:", "the", "environment", "variable", "is", "not", "set"],
    ]
    assert len(webhook.messages) == 1
