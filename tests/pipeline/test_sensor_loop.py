"""Tick, run what was requested, tick again: nothing owed is forgotten and nothing is asked for without end."""

import datetime as dt
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from shop import DAYS, Shop

from cx_orchestration.commands.materialize import materialize_project
from cx_orchestration.definitions import build_defs
from cx_orchestration.model import tables
from cx_orchestration.sensors.jobs import MAX_ATTEMPTS
from cx_orchestration.storage.lake import Lake


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(tmp_path / "shop", instance)


def test_a_bad_day_keeps_no_other_day_without_events(shop: Shop) -> None:
    for day in DAYS:
        shop.drop(day)
    shop.drop(dt.date(2026, 1, 3), 'order_no,customer_no\n"unclosed')
    done = shop.loop()
    assert shop.event_days() == [day for day in DAYS if day.day != 3]
    assert sum(not success for _, success in done) == MAX_ATTEMPTS
    assert "cx failed" in (shop.tick().skip_message or "")


def test_a_mended_day_is_integrated_when_a_person_reruns_it(shop: Shop) -> None:
    for day in DAYS:
        shop.drop(day)
    shop.drop(dt.date(2026, 1, 3), 'order_no,customer_no\n"unclosed')
    shop.loop()
    shop.drop(dt.date(2026, 1, 3))
    defs = build_defs(shop.project)
    assert (
        defs.resolve_job_def("integration")
        .execute_in_process(
            instance=shop.instance,
            asset_selection=[
                dg.AssetKey(["landing", "store_till", "orders"]),
                dg.AssetKey(["integration", "store_till", "events"]),
            ],
            partition_key="2026-01-03",
        )
        .success
    )
    assert shop.event_days() == list(DAYS)
    assert shop.tick().skip_message == "Every approved service has landed and mapped all its days."


@pytest.mark.parametrize("by_hand", [False, True])
def test_files_that_were_put_right_are_read_and_no_others(shop: Shop, by_hand: bool) -> None:
    for day in DAYS:
        shop.drop(day)
    given_up, amended = dt.date(2026, 1, 3), dt.date(2026, 1, 4)
    shop.drop(given_up, "order_no,client,placed_at\nO-3,C-1,2026-01-03T12:00:00Z\n")
    shop.loop()
    assert shop.event_days() == [day for day in DAYS if day != given_up]
    before = shop.registry.landed_at("store_till", "orders")
    for file in (shop.drop(given_up), shop.drop(amended, "order_no,customer_no,placed_at\n")):
        os.utime(file, (dt.datetime.now().timestamp() + 5,) * 2)
    if by_hand:
        select = "landing/store_till/orders,integration/store_till/events"
        done = materialize_project(shop.project, shop.instance, days=DAYS, select=select, owed=True)
        assert not done.failures
    else:
        (request,) = shop.tick().run_requests
        assert shop.run(request)
    assert shop.event_days() == [day for day in DAYS if day != amended]
    after = shop.registry.landed_at("store_till", "orders")
    assert [day for day in DAYS if after[day] != before.get(day)] == [given_up, amended]


class NoRoomForEvents(Lake):
    def replace(self, table: tables.Table, *arguments: Any, **named: Any) -> int:
        if table == tables.EVENTS:
            raise OSError("no space left on device")
        return super().replace(table, *arguments, **named)


def test_a_mapping_that_broke_is_done_again(shop: Shop) -> None:
    shop.drop(DAYS.first)
    (request,) = shop.tick().run_requests
    assert not shop.run(request, lake=NoRoomForEvents(shop.project.lake_root))
    (again,) = shop.tick().run_requests
    assert again.tags["cx/request"] == f"map:store_till:{DAYS}"
    assert shop.run(again)
    assert shop.event_days() == [DAYS.first]
    assert not shop.tick().run_requests


class FullDisk(Lake):
    def replace(self, *_: object, **__: object) -> int:
        raise OSError("no space left on device")


def test_a_run_that_died_is_asked_for_again_and_not_for_ever(shop: Shop, tmp_path: Path) -> None:
    shop.drop(DAYS.first)
    done = shop.loop(lake=FullDisk(tmp_path / "full"))
    assert [success for _, success in done] == [False] * MAX_ATTEMPTS
    assert "waits for a person" in (shop.tick().skip_message or "")


def test_a_file_that_comes_late_is_read(shop: Shop) -> None:
    shop.loop()
    assert shop.event_days() == []
    late = shop.drop(dt.date(2026, 1, 2))
    os.utime(late, (dt.datetime.now().timestamp() + 5,) * 2)
    (request,) = shop.tick().run_requests
    assert request.tags["dagster/asset_partition_range_start"] == "2026-01-02"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-01-02"
    assert shop.run(request)
    assert shop.event_days() == [dt.date(2026, 1, 2)]


def test_while_a_run_is_under_way_its_service_is_left_alone(shop: Shop) -> None:
    (request,) = shop.tick().run_requests
    shop.instance.create_run_for_job(
        build_defs(shop.project).resolve_job_def("integration"),
        tags=dict(request.tags),
        status=dg.DagsterRunStatus.STARTED,
    )
    evaluated = shop.tick()
    assert not evaluated.run_requests
    assert "is being integrated" in (evaluated.skip_message or "")


def test_a_service_that_is_retired_is_closed_and_that_is_said_once(shop: Shop) -> None:
    shop.drop(DAYS.first)
    shop.loop()
    decisions = shop.folder / "decisions.yaml"
    text = decisions.read_text(encoding="utf-8")
    assert text.count("disposition: integrate\n") == 1
    decisions.write_text(text.replace("disposition: integrate\n", "disposition: retire\n"), encoding="utf-8")
    shop.drop(dt.date(2026, 1, 2))
    said = shop.tick()
    assert not said.run_requests
    assert "store_till is closed: nothing is requested of it any more, what landed stays." in said.skip_message
    again = shop.tick(said.cursor)
    assert not again.run_requests
    assert "closed" not in again.skip_message
    assert shop.event_days() == [DAYS.first]


class Interrupting(Lake):
    """A lake whose first write is met by Ctrl-C."""

    def replace(self, *_: object, **__: object) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0


def test_ctrl_c_ends_the_whole_command(shop: Shop, tmp_path: Path) -> None:
    shop.drop(DAYS.first)
    with pytest.raises(KeyboardInterrupt):
        materialize_project(shop.project, shop.instance, days=DAYS, resources={"lake": Interrupting(tmp_path / "l")})
    assert shop.project.plan.approved() == ["store_till"]
    assert not Lake(shop.project.lake_root).exists(tables.EVENTS)
