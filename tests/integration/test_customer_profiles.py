"""Who a service's customers are: from the records that describe them, and from events."""

import datetime as dt
import json
from typing import Any

import pyarrow as pa
from integration_fakes import stream_for

from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.profiles import map_profiles
from cx_orchestration.integration.records import record_reader
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.tables import PROFILES, landed
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

FIRST, SECOND = dt.date(2024, 1, 1), dt.date(2024, 1, 2)
PROFILE = {
    "entity": "person",
    "keys": {"email": "email", "phone": "phone"},
    "name": "name",
    "city": "address.city",
    "attributes": {"plan": "plan", "region": "region"},
}


def declare(service: str, **streams: dict[str, Any]) -> ServiceDeclaration:
    built = {name: stream_for(**changes).model_dump() for name, changes in streams.items()}
    return ServiceDeclaration.model_validate(
        {"service": service, "kind": "rest", "client": {"base_url": "http://127.0.0.1"}, "streams": built}
    )


def put(lake: Lake, declaration: ServiceDeclaration, stream: str, day: dt.date, *records: dict[str, Any]) -> None:
    declared = declaration.streams[stream]
    read = record_reader(declared.record_id, declared.updated_at)
    rows = [read(record, True)._asdict() for record in records]
    table = landed(declaration.service, stream)
    columns = {
        **{name: pa.array([row[name] for row in rows], table.schema.field(name).type) for name in rows[0]},
        "extracted_at": pa.array([0] * len(rows), table.schema.field("extracted_at").type),
        "day": pa.array([day] * len(rows)),
    }
    lake.replace(table, pa.table(columns), where={"day": day}, run_id="land")


def profiles(engine: Engine, lake: Lake, *declarations: ServiceDeclaration) -> dict[tuple[str, str], dict[str, Any]]:
    found = map_profiles(engine, lake, {declaration.service: declaration for declaration in declarations}).profiles
    assert found.schema.equals(PROFILES.schema)
    rows = found.to_pylist()
    assert [(row["service"], row["entity"]) for row in rows] == sorted((row["service"], row["entity"]) for row in rows)
    return {(row["service"], row["entity"]): row for row in rows}


def at(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(1704067200 + seconds, dt.UTC)


def person(seconds: int, record_id: str = "1", **fields: Any) -> dict[str, Any]:
    return {"id": record_id, "person": "p1", "created": 1704067200 + seconds, **fields}


def test_the_latest_record_that_has_a_field_gives_it(engine: Engine, lake: Lake) -> None:
    crm = declare("crm", people={"profile": PROFILE})
    put(lake, crm, "people", FIRST, person(5, name="Old", address={"city": "Bern"}, plan="basic", region="north"))
    put(lake, crm, "people", SECOND, person(86_400, "2", name="New", plan="gold", email="new@example.org"))
    row = profiles(engine, lake, crm)["crm", "p1"]
    assert (row["name"], row["city"], row["updated_at"]) == ("New", "Bern", at(86_400))
    assert json.loads(row["attributes"]) == {"plan": "gold", "region": "north"}


def test_an_older_version_of_the_same_record_is_forgotten(engine: Engine, lake: Lake) -> None:
    crm = declare("crm", people={"profile": PROFILE})
    put(lake, crm, "people", FIRST, person(5, name="Old", email="wrong@example.org", plan="basic"))
    put(lake, crm, "people", SECOND, person(86_400, email="right@example.org"))
    row = profiles(engine, lake, crm)["crm", "p1"]
    assert row["keys"] == [{"namespace": "email", "value": "right@example.org"}]
    assert (row["name"], row["attributes"]) == (None, "{}")


def test_keys_are_all_that_records_and_events_of_the_entity_carry_as_received(engine: Engine, lake: Lake) -> None:
    event = {"type": "order.placed", "occurred_at": {"path": "created", "format": "epoch_s"}, "channel": "web",
             "entity": "person", "keys": {"email": "email", "cookie": "cookie"}}  # fmt: skip
    crm = declare("crm", people={"profile": PROFILE}, orders={"events": [event]})
    put(lake, crm, "people", FIRST, person(5, email="Ada@Example.org", phone="044"))
    put(lake, crm, "orders", FIRST, person(6, email="ada@example.org", cookie="c1"), person(7, "2", cookie="c1"))
    map_events(engine, lake, crm, DayRange(FIRST, FIRST), run_id="r")
    row = profiles(engine, lake, crm)["crm", "p1"]
    assert [(key["namespace"], key["value"]) for key in row["keys"]] == [
        ("cookie", "c1"), ("email", "Ada@Example.org"), ("email", "ada@example.org"), ("phone", "044"),
    ]  # fmt: skip
    assert row["updated_at"] == at(5)


def test_who_is_known_from_events_alone_has_a_profile_too(engine: Engine, lake: Lake) -> None:
    event = {"type": "page.viewed", "occurred_at": {"path": "created", "format": "epoch_s"}, "channel": "web",
             "entity": "person", "keys": {}}  # fmt: skip
    web = declare("web", views={"events": [event]})
    put(lake, web, "views", FIRST, person(5), person(9, "2"), person(7, "3"))
    map_events(engine, lake, web, DayRange(FIRST, FIRST), run_id="r")
    assert profiles(engine, lake, web) == {
        ("web", "p1"): {
            **dict.fromkeys(PROFILES.schema.names), "service": "web", "entity": "p1", "keys": [], "attributes": "{}",
            "updated_at": at(9),
        }
    }  # fmt: skip


def test_services_are_kept_apart_and_only_those_asked_for_appear(engine: Engine, lake: Lake) -> None:
    crm, shop = (declare(name, people={"profile": PROFILE}) for name in ("crm", "shop"))
    put(lake, crm, "people", FIRST, person(5, name="Crm"))
    put(lake, shop, "people", FIRST, person(5, name="Shop"))
    assert {key: row["name"] for key, row in profiles(engine, lake, crm, shop).items()} == {
        ("crm", "p1"): "Crm", ("shop", "p1"): "Shop",
    }  # fmt: skip
    assert set(profiles(engine, lake, shop)) == {("shop", "p1")}


def test_conditions_and_missing_entities_leave_records_out(engine: Engine, lake: Lake) -> None:
    crm = declare("crm", people={"profile": {**PROFILE, "when": [{"path": "role", "any_of": ["user"]}]}})
    put(lake, crm, "people", FIRST, person(1, role="agent"), {**person(2, "2", role="user"), "person": None},
        {**person(3, "3", role="user"), "person": "p3"})  # fmt: skip
    assert set(profiles(engine, lake, crm)) == {("crm", "p3")}


def test_without_any_records_there_are_no_profiles(engine: Engine, lake: Lake) -> None:
    assert profiles(engine, lake, declare("crm", people={"profile": PROFILE})) == {}
    assert map_profiles(engine, lake, {}).profiles.num_rows == 0


def test_a_key_says_when_and_in_which_state_it_was_first_and_last_seen(engine: Engine, lake: Lake) -> None:
    signed_in = {**PROFILE, "authenticated_when": [{"path": "plan", "any_of": ["gold"]}]}
    crm = declare("crm", people={"profile": signed_in})
    put(lake, crm, "people", FIRST, person(5, email="a@example.org"))
    put(lake, crm, "people", SECOND, person(86_400, "2", email="a@example.org", plan="gold"))
    keys = map_profiles(engine, lake, {"crm": crm}).keys.to_pylist()
    (key,) = [key for key in keys if key["namespace"] == "email"]
    assert (key["first_seen"], key["last_seen"], key["state"]) == (at(5), at(86_400), "authenticated")
