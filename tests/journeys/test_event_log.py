"""Journeys as an event log: every step once, in order, and as OCEL 2.0 with all that an event belongs to."""

import datetime as dt

import pyarrow as pa
import pytest

from cx_orchestration.journeys.event_log import event_log, ocel
from cx_orchestration.model import tables
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def step(journey: str, instance: str, customer: str, seq: int, event: str, kind: str, minute: int):
    row = dict.fromkeys(tables.STEPS.schema.names) | {"journey": journey, "map_version": 1, "instance_id": instance}
    row |= {"customer_id": customer, "seq": seq, "event_id": event, "type": kind, "to_state": kind.replace(".", "_")}
    row |= {"stage": "sales", "deviation": False, "week": 0, "channel": "web" if seq == 1 else None}
    return row | {"occurred_at": START + dt.timedelta(minutes=minute)}


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    steps = [
        step("order", "i1", "c1", 2, "e2", "order.paid", 5),
        step("order", "i1", "c1", 1, "e1", "cart.filled", 0),
        step("order", "i2", "c2", 1, "e3", "cart.filled", 3),
        step("life", "i3", "c1", 1, "e2", "order.paid", 5),
    ]
    instances = [
        dict.fromkeys(tables.INSTANCES.schema.names)
        | {"journey": journey, "instance_id": name, "customer_id": customer, "status": status, "week": 0}
        for journey, name, customer, status in (
            ("order", "i1", "c1", "completed"),
            ("order", "i2", "c2", "active"),
            ("life", "i3", "c1", "active"),
        )
    ]
    for table, rows in ((tables.STEPS, steps), (tables.INSTANCES, instances)):
        lake.replace(table, pa.Table.from_pylist(rows, schema=table.schema), where={"week": (-1, 9)}, run_id="r")
    return lake


def test_the_log_has_every_step_in_the_order_of_its_instance(lake):
    log = event_log(lake, Engine(), "order")
    assert log.column_names[:3] == ["case_id", "activity", "timestamp"]
    assert [(row["case_id"], row["seq"], row["status"]) for row in log.to_pylist()] == [
        ("i1", 1, "completed"),
        ("i1", 2, "completed"),
        ("i2", 1, "active"),
    ]


def test_an_event_of_two_journeys_is_one_event_of_both(lake):
    written = ocel(event_log(lake, Engine()))
    (paid,) = [event for event in written["events"] if event["id"] == "e2"]
    assert {one["objectId"] for one in paid["relationships"]} == {"c1", "i1", "i3"}
    assert [event["id"] for event in written["events"]] == ["e1", "e3", "e2"]
    assert paid["time"] == "2026-03-01T00:05:00.000000Z"


def test_ocel_names_every_type_attribute_and_object_that_it_uses(lake):
    written = ocel(event_log(lake, Engine()))
    objects = {one["id"]: one["type"] for one in written["objects"]}
    assert set(objects.values()) == {one["name"] for one in written["objectTypes"]}
    declared = {kind["name"]: {one["name"] for one in kind["attributes"]} for kind in written["eventTypes"]}
    for event in written["events"]:
        assert {one["name"] for one in event["attributes"]} <= declared[event["type"]]
        assert all(one["objectId"] in objects for one in event["relationships"])
    for one in written["objects"]:
        assert all(related["objectId"] in objects for related in one.get("relationships", []))
