import dataclasses
import datetime as dt
import json
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator, FormatChecker

from cx_orchestration.identity.customers import export_documents
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import CUSTOMERS


def customer_schema(version: int) -> dict[str, Any]:
    schemas = files("cx_orchestration.identity").joinpath("schemas")
    schema: dict[str, Any] = json.loads(schemas.joinpath(f"customer.v{version}.schema.json").read_text("utf-8"))
    return schema


LOOSE = Draft4Validator(customer_schema(1))
STRICT = Draft202012Validator(customer_schema(2), format_checker=FormatChecker())

JANE = {"crm/1": {"email": "jane@example.com", "phone": "212 555 0123"}, "desk/9": {"email": "Jane@Example.com"}}
SAID = {
    "crm/1": {"name": "Jane Doe", "city": "Boston", "updated_at": dt.datetime(2026, 2, 1, tzinfo=dt.UTC)},
    "desk/9": {"name": "J. Doe", "city": " ", "updated_at": dt.datetime(2026, 2, 2, tzinfo=dt.UTC)},
}
DAY = dt.date(2026, 2, 3)
AT = dt.datetime(2026, 2, 3, 10, tzinfo=dt.UTC)


def event(name: str, entity: str, minutes: int = 0, **more) -> dict:
    service, entity = entity.split("/")
    at = AT + dt.timedelta(minutes=minutes)
    return {"event_id": name, "service": service, "entity": entity, "occurred_at": at, "record_id": name} | more


def documents(company) -> list[dict]:
    rows = sorted(company.lake.read(CUSTOMERS).to_pylist(), key=lambda row: row["customer_id"])
    return [json.loads(row["document"]) for row in rows]


def the_document(company) -> dict:
    (document,) = documents(company)
    return document


def test_documents_are_valid_under_both_schema_versions(company) -> None:
    attributes = json.dumps({"plan": "gold", "seats": 3, "tags": ["a"], "none": None, 'quo"te': "ü\n"})
    said = SAID | {"crm/1": SAID["crm/1"] | {"attributes": attributes, "birth_date": "1990-01-01"}}
    company.night(JANE | {"shop/3": {}}, said)
    score = {"score": 9.0, "score_kind": "nps", "type": "survey.answered", "channel": None}
    company.add_events(DAY, [event("e1", "crm/1"), event("e2", "desk/9", attributes='{"a":{"b":[1]}}', **score)])
    company.customers()
    assert len(documents(company)) == 2
    for document in documents(company):
        STRICT.validate(document)
        LOOSE.validate(document)


def test_a_document_has_the_events_of_all_services_in_order_of_time_and_id(company) -> None:
    company.night(JANE)
    crm = [event("e3", "crm/1", 5), event("e9", "crm/1", 1)]
    company.add_events(DAY, [*crm, event("e2", "desk/9", 5), event("e1", "desk/9", 9)])
    built = company.customers()
    assert [item["event_id"] for item in the_document(company)["events"]] == ["e9", "e2", "e3", "e1"]
    assert (built.customers, built.events, built.unattributed_events) == (1, 4, 0)


def test_an_event_carries_its_envelope_and_source_attributes(company) -> None:
    company.night(JANE)
    company.add_events(
        DAY,
        [
            event(
                "e1", "crm/1", amount=Decimal("12.5000"), currency="USD", attributes='{"sku":"A","n":1}', channel="app"
            )
        ],
    )
    company.customers()
    assert the_document(company)["events"] == [
        {
            "event_id": "e1",
            "type": "order.completed",
            "occurred_at": "2026-02-03T10:00:00.000000Z",
            "service": "crm",
            "stream": "orders",
            "record_id": "e1",
            "channel": "app",
            "amount": 12.5,
            "currency": "USD",
            "score": None,
            "score_kind": None,
            "attributes": {"sku": "A", "n": 1},
        }
    ]


def test_an_event_that_two_landed_days_report_counts_once_as_the_newer_says(company) -> None:
    company.night(JANE | {"crm/2": {}})
    company.add_events(DAY, [event("e1", "crm/1", attributes='{"state":"open"}'), event("e2", "crm/1")])
    moved = event("e2", "crm/2")
    company.add_events(DAY + dt.timedelta(days=1), [event("e1", "crm/1", attributes='{"state":"done"}'), moved])
    built = company.customers()
    assert built.events == 2
    by_entity = {document["identity"]["entity"][0]["id"]: document["events"] for document in documents(company)}
    assert [item["event_id"] for item in by_entity["2"]] == ["e2"]
    jane = by_entity.get("1") or by_entity["9"]
    assert [(item["event_id"], item["attributes"]) for item in jane] == [("e1", {"state": "done"})]


def test_events_of_entities_without_a_profile_are_nobodys_and_counted(company) -> None:
    company.night(JANE)
    company.add_events(DAY, [event("e1", "crm/77"), event("e2", "crm/1"), event("e3", "crm/1") | {"entity": None}])
    built = company.customers()
    assert (built.events, built.unattributed_events) == (1, 2)


def test_attributes_that_are_no_json_object_stop_the_build_without_showing_them(company) -> None:
    company.night(JANE)
    company.add_events(DAY, [event("e1", "crm/1", attributes="{secret"), event("e2", "crm/1", attributes='"secret"')])
    with pytest.raises(PermanentFailure, match="2 events have attributes that are not a JSON object") as failure:
        company.customers()
    assert "secret" not in str(failure.value)


def test_identity_lists_ids_by_namespace_with_one_primary_each(company) -> None:
    company.night(JANE | {"shop/3": {"email": "jane@example.com", "card": "4242"}}, SAID)
    company.customers()
    identity = the_document(company)["identity"]
    since = company.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert list(identity) == ["card", "email", "entity", "phone"]
    assert identity["phone"] == [{"id": "+12125550123", "service": "crm", "primary": True, "since": since}]
    assert [(item["id"], item["service"], item["primary"]) for item in identity["entity"]] == [
        ("9", "desk", True),
        ("1", "crm", False),
        ("3", "shop", False),
    ]


def test_the_most_recent_value_survives_and_says_where_it_came_from(company) -> None:
    company.night(JANE, SAID)
    company.customers()
    profile = the_document(company)["profile"]
    updated = "2026-02-02T00:00:00.000000Z"
    assert profile["name"] == {
        "value": "J. Doe",
        "service": "desk",
        "entity": "9",
        "updated_at": updated,
        "rule": "most_recent",
    }
    assert profile["city"]["service"] == "crm", "an empty value does not survive"
    assert "street" not in profile


def test_a_trusted_service_comes_before_a_recent_value(new_company, config) -> None:
    trusted = {"name": {"trusted_services": ["shop", "crm"]}, "plan": {"trusted_services": ["crm"]}}
    company = new_company(IdentityConfig.model_validate(config.model_dump() | {"survivorship": trusted}))
    said = {name: row | {"attributes": json.dumps({"plan": name, "tier": name})} for name, row in SAID.items()}
    company.night(JANE, said)
    company.customers()
    profile = the_document(company)["profile"]
    assert profile["name"]["value"] == "Jane Doe"
    assert profile["attributes"]["plan"]["value"] == "crm/1"
    assert profile["attributes"]["tier"]["value"] == "desk/9"


def test_a_value_without_time_yields_to_one_with_a_time(company) -> None:
    company.night(JANE, {"crm/1": {"name": "Old"}, "desk/9": {"name": "New", "updated_at": AT}})
    company.customers()
    assert the_document(company)["profile"]["name"]["value"] == "New"


def test_a_rerun_leaves_every_document_as_it_is(company) -> None:
    company.night(JANE | {"shop/3": {}}, SAID)
    company.add_events(DAY, [event("e1", "crm/1")])
    assert company.customers().changed == 2
    before = company.lake.content_hash(CUSTOMERS), company.lake.version(CUSTOMERS), documents(company)
    company.night(JANE | {"shop/3": {}}, SAID)
    built = company.customers()
    assert (built.changed, built.removed) == (0, 0)
    assert (company.lake.content_hash(CUSTOMERS), company.lake.version(CUSTOMERS), documents(company)) == before


def test_only_the_document_that_changed_is_produced_anew(company) -> None:
    company.night(JANE | {"shop/3": {}}, SAID)
    company.customers()
    before = {document["_id"]["customer_id"]: document for document in documents(company)}
    company.night(JANE | {"shop/3": {}, "shop/4": {}}, SAID)
    company.add_events(DAY, [event("e1", "crm/1")])
    assert company.customers().changed == 2
    after = {document["_id"]["customer_id"]: document for document in documents(company)}
    changed = {key for key in before if after[key] != before[key]}
    assert changed == {company.who()["crm/1"]}
    (jane,) = changed
    stamps = after[jane]["platformHeader"]
    assert stamps["produced_at"] == company.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert stamps["map_version"] > before[jane]["platformHeader"]["map_version"]


def test_the_document_of_a_merged_customer_goes_and_its_events_stay(company) -> None:
    apart = {"crm/1": {"login": "u"}, "crm/2": {"login": "v"}}
    company.night(apart)
    company.add_events(DAY, [event("e1", "crm/1"), event("e2", "crm/2", 1)])
    company.customers()
    company.night(apart | {"shop/1": {"login": ["u", "v"]}})
    built = company.customers()
    assert (built.customers, built.removed, built.events) == (1, 1, 2)
    assert [item["event_id"] for item in the_document(company)["events"]] == ["e1", "e2"]


def test_no_event_is_lost_or_doubled_where_batches_meet(company) -> None:
    company.night({f"crm/{n}": {} for n in range(20)})
    company.add_events(DAY, [event(f"e{n:02}", f"crm/{n * n % 20}", n) for n in range(60)])
    built = company.customers(rows_per_batch=3)
    assert (built.customers, built.events) == (20, 60)
    assert sorted(item["event_id"] for document in documents(company) for item in document["events"]) == [
        f"e{n:02}" for n in range(60)
    ]


def test_an_empty_company_has_an_empty_table_of_customers(company) -> None:
    company.night({})
    assert company.customers().customers == 0
    assert company.lake.read(CUSTOMERS).num_rows == 0


def test_exported_documents_are_json_lines_in_order_of_customer_id(company, tmp_path) -> None:
    company.night(JANE | {"shop/3": {}, "shop/4": {}}, {"shop/3": {"name": "Line\nbreak"}})
    company.customers()
    for _ in range(2):
        path, _ = export_documents(company.lake, company.engine, tmp_path / "out")
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == documents(company)
    assert sorted(file.name for file in path.parent.iterdir()) == ["customers.jsonl", "customers.parquet"]


def test_version_1_is_the_loose_draft_04_schema() -> None:
    schema = customer_schema(1)
    Draft4Validator.check_schema(schema)
    assert (schema["$schema"], schema["title"], schema["type"]) == (
        "http://json-schema.org/draft-04/schema#",
        "Customer",
        "object",
    )
    kinds = {name: (rule["type"], rule["default"]) for name, rule in schema["properties"].items()}
    assert kinds == {name: ("object", {}) for name in ("_id", "platformHeader", "identity", "profile")} | {
        "events": ("array", [])
    }
    assert schema["required"] == ["_id", "platformHeader", "identity", "events"]


def test_version_2_is_a_strict_2020_12_schema() -> None:
    schema = customer_schema(2)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False


_times = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2040, 1, 1)).map(
    lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
)
_names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
_text = st.text(max_size=8)
_json = st.recursive(st.none() | st.booleans() | st.integers() | _text, lambda inner: st.lists(inner, max_size=2))
_origins = {"service": _names, "entity": _text, "updated_at": st.none() | _times, "rule": st.just("most_recent")}
_surviving = st.fixed_dictionaries({"value": st.text(min_size=1, max_size=8), **_origins})
_ids = st.fixed_dictionaries(
    {"id": st.text(min_size=1, max_size=8), "service": _names, "primary": st.booleans(), "since": _times}
)
_events = st.fixed_dictionaries(
    {
        "event_id": st.uuids().map(str),
        "type": st.sampled_from(["order.completed", "login"]),
        "occurred_at": _times,
        "service": _names,
        "stream": _names,
        "record_id": _text,
        "channel": st.none() | _names,
        "amount": st.none() | st.integers(-10, 10),
        "currency": st.none() | st.just("USD"),
        "score": st.none() | st.floats(0, 10),
        "score_kind": st.sampled_from(["nps", "csat", "ces", None]),
        "attributes": st.dictionaries(_names, _json, max_size=2),
    }
)
_valid = st.fixed_dictionaries(
    {
        "_id": st.fixed_dictionaries({"customer_id": st.uuids(version=5).map(str)}),
        "platformHeader": st.fixed_dictionaries(
            {
                "schema_version": st.just("2"),
                "api_version": st.just("1"),
                "produced_at": _times,
                "map_version": st.integers(0, 99),
            }
        ),
        "identity": st.dictionaries(_names, st.lists(_ids, min_size=1, max_size=2), max_size=2),
        "profile": st.fixed_dictionaries(
            {"attributes": st.dictionaries(_names, _surviving, max_size=2)},
            optional={"name": _surviving, "city": _surviving},
        ),
        "events": st.lists(_events, max_size=2),
    }
)


@settings(deadline=None, max_examples=50)
@given(document=_valid)
def test_what_is_valid_under_version_2_is_valid_under_version_1(document) -> None:
    STRICT.validate(document)
    LOOSE.validate(document)


def paths(value, at=()):
    yield at
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*at, key))


@settings(deadline=None, max_examples=150)
@given(document=_valid, data=st.data())
def test_whatever_is_done_to_a_document_version_2_never_accepts_what_version_1_refuses(document, data) -> None:
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from([path for path in paths(document) if path]))
        holder = document
        for key in way:
            holder = holder[key]
        replaced = data.draw(st.booleans())
        if replaced:
            holder[last] = data.draw(_json | st.just({}))
        else:
            del holder[last]
    assert LOOSE.is_valid(document) or not STRICT.is_valid(document)


@pytest.mark.parametrize(
    "path",
    [(), ("_id",), ("platformHeader",), ("profile",), ("profile", "name"), ("events", 0), ("identity", "email", 0)],
)
def test_version_2_refuses_what_it_does_not_know(company, path) -> None:
    company.night(JANE, SAID)
    company.add_events(DAY, [event("e1", "crm/1")])
    company.customers()
    document = the_document(company)
    holder = document
    for key in path:
        holder = holder[key]
    holder["further"] = 1
    assert not STRICT.is_valid(document)
    assert LOOSE.is_valid(document)


SPOKEN = {
    "crm/1": {"name": "Jane Doe", "city": "Boston", "updated_at": AT},
    "desk/9": {"name": "Jane Doe", "city": "Salem", "updated_at": AT - dt.timedelta(days=9)},
    "shop/3": {"name": "Janey", "city": "Salem", "updated_at": AT + dt.timedelta(days=1)},
}
ALL_THREE = {name: {"login": "jane"} for name in SPOKEN}


def survivors(new_company, config, rules) -> dict:
    company = new_company(IdentityConfig.model_validate(config.model_dump() | {"survivorship": rules}))
    company.night(ALL_THREE, SPOKEN)
    company.customers()
    profile = the_document(company)["profile"]
    STRICT.validate(the_document(company))
    return {field: (profile[field]["value"], profile[field]["service"], profile[field]["rule"]) for field in rules}


def test_each_rule_lets_another_value_survive_and_says_so(new_company, config) -> None:
    rules = {
        "name": {"rule": "most_frequent"},
        "city": {"rule": "most_trusted", "trusted_services": ["fax", "desk"]},
    }
    assert survivors(new_company, config, rules) == {
        "name": ("Jane Doe", "crm", "most_frequent"),
        "city": ("Salem", "desk", "most_trusted"),
    }


def test_where_no_trusted_service_has_a_value_the_most_recent_one_survives_and_says_so(new_company, config) -> None:
    rules = {"name": {"trusted_services": ["fax"]}, "city": {"rule": "most_recent", "trusted_services": ["desk"]}}
    assert survivors(new_company, config, rules) == {
        "name": ("Janey", "shop", "most_recent"),
        "city": ("Salem", "shop", "most_recent"),
    }


def test_a_rule_that_trusts_nobody_is_refused(config) -> None:
    with pytest.raises(ValueError, match="most_trusted needs trusted_services"):
        IdentityConfig.model_validate(config.model_dump() | {"survivorship": {"name": {"rule": "most_trusted"}}})


def test_only_the_buckets_of_customers_whose_inputs_changed_are_written(company) -> None:
    people = {f"crm/{n}": {} for n in range(40)}
    company.night(people)
    company.customers()
    files = set(company.lake.scan(CUSTOMERS).files)
    company.add_events(DAY, [event("e1", "crm/7")])
    built = company.customers()
    assert (built.made, built.changed, built.customers) == (1, 1, 40)
    assert len(files - set(company.lake.scan(CUSTOMERS).files)) == 1
    assert sum('"event_id":"e1"' in row["document"] for row in company.lake.read(CUSTOMERS).to_pylist()) == 1


def test_other_rules_make_every_document_anew_and_leave_alone_what_says_the_same(new_company, config) -> None:
    company = new_company(config)
    company.night(JANE | {"shop/3": {}}, SAID)
    company.customers()
    before = documents(company)
    rules = {"city": {"rule": "most_frequent"}, "name": {"trusted_services": ["crm"]}}
    company.config = IdentityConfig.model_validate(config.model_dump() | {"survivorship": rules})
    built = company.customers()
    assert (built.made, built.changed) == (2, 1)
    after = documents(company)
    same = [document for document in after if document["_id"]["customer_id"] != company.who()["crm/1"]]
    assert all(document in before for document in same)


def test_a_table_of_the_former_layout_is_made_anew(company) -> None:
    company.night(JANE)
    former = dataclasses.replace(
        CUSTOMERS,
        partition_by=(),
        schema=pa.schema([f for f in CUSTOMERS.schema if f.name not in ("inputs", "bucket")]),
    )
    row = {"customer_id": "x", "document": "{}", "entities": 1, "events": 0, "produced_at": AT}
    company.lake.replace(former, pa.Table.from_pylist([row], schema=former.schema), run_id="before")
    built = company.customers()
    assert (built.customers, built.made) == (1, 1)
    assert the_document(company)["_id"]["customer_id"] == company.who()["crm/1"]
    assert company.customers().made == 0


def said_by(document: dict) -> dict:
    header = {key: value for key, value in document["platformHeader"].items() if key.endswith("_version")}
    header.pop("map_version")
    return document | {"platformHeader": header}


NIGHT = st.fixed_dictionaries(
    {
        "logins": st.lists(st.sampled_from(["u", "v", "w", ""]), min_size=1, max_size=5),
        "cities": st.lists(st.sampled_from(["Boston", "Salem", None]), min_size=5, max_size=5),
        "events": st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.integers(0, 1)), max_size=4),
    }
)


@settings(max_examples=4, deadline=None)
@given(st.lists(NIGHT, min_size=2, max_size=3))
def test_documents_written_night_by_night_are_those_of_a_rebuild(new_company, nights) -> None:
    company = new_company()
    for night in nights:
        entities = {f"crm/{n}": {"login": login} if login else {} for n, login in enumerate(night["logins"])}
        said = {name: {"city": city} for name, city in zip(entities, night["cities"], strict=False)}
        company.night(entities, said)
        for late in (0, 1):
            reported = {name: event(name, f"crm/{n}", n) for name, n, day in night["events"] if day == late}
            if reported:
                company.add_events(DAY + dt.timedelta(days=late), list(reported.values()))
        company.customers()
    by_nights = documents(company)
    company.lake.replace(CUSTOMERS, CUSTOMERS.empty(), where={"bucket": (0, 4095)}, run_id="emptied")
    company.customers()
    assert [said_by(document) for document in by_nights] == [said_by(document) for document in documents(company)]


def test_the_parquet_export_holds_the_documents_of_the_table(company, tmp_path) -> None:
    company.night(JANE | {"shop/3": {}, "shop/4": {}})
    company.customers()
    lines, parquet = export_documents(company.lake, company.engine, tmp_path)
    rows = pq.read_table(parquet).to_pylist()
    assert [row["customer_id"] for row in rows] == sorted(company.who().values())[1:]
    assert [row["document"] for row in rows] == lines.read_text().splitlines()
