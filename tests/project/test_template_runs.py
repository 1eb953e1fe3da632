"""The project that ``cx init`` writes can be run without any network, and its data means something."""

import datetime as dt
from collections import Counter

from cx_orchestration.integration.landing import land
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def test_the_file_drop_of_the_template_lands_and_maps_without_a_rejected_record(folder):
    project = CXProject.load(folder, {}, now=NOW)
    days = project.days(NOW)
    lake = Lake(project.lake_root)
    till = project.services["store_till"]
    source = ServiceSource(till, zone=project.zone, folder=project.folder, environ={})
    landed = {
        stream: sum(land(lake, source, stream, days, run_id="r", now=NOW).records.values()) for stream in till.streams
    }
    assert landed == {"customers": 5, "orders": 10}
    map_events(Engine(), lake, till, days, run_id="r")
    assert lake.read(tables.REJECTED_RECORDS).to_pylist() == []
    events = lake.read(tables.EVENTS).to_pylist()
    assert Counter(event["type"] for event in events) == {
        "customer.registered": 5,
        "order.placed": 5,
        "order.completed": 4,
        "order.returned": 1,
    }
    first = min(events, key=lambda event: event["occurred_at"])
    assert first["occurred_at"] == dt.datetime(2026, 1, 5, 16, 12, tzinfo=dt.UTC)
    assert {event["currency"] for event in events if event["amount"] is not None} == {"USD"}
