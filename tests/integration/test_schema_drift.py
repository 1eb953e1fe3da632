"""New and missing JSON paths are named; names that could be a person's never are."""

import datetime as dt
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from integration_fakes import stream_for

from cx_orchestration.integration.json_paths import PathTree, declared_names
from cx_orchestration.integration.schema_drift import Drift, schema_drift
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

TABLE = tables.landed("billing", "charges")
TODAY = dt.date(2026, 6, 10)
NOW = dt.datetime(2026, 6, 10, tzinfo=dt.UTC)
STREAM = stream_for(events=[{"type": "a.b", "occurred_at": "created", "channel": "web", "entity": "who.user_2026"}])


def land(lake: Lake, day: dt.date, payloads: list[Any]) -> None:
    rows = [
        {
            "record_id": f"{day}-{number}",
            "updated_at": NOW,
            "extracted_at": NOW,
            "payload": payload if isinstance(payload, str) else orjson.dumps(payload).decode(),
            "day": day,
        }
        for number, payload in enumerate(payloads)
    ]
    lake.replace(TABLE, pa.Table.from_pylist(rows, TABLE.schema), where={"day": day}, run_id="r")


def drift(lake: Lake, before: list[Any], today: list[Any], *, usual_share: float = 0.05) -> Drift:
    land(lake, TODAY - dt.timedelta(days=1), before)
    land(lake, TODAY, today)
    days = DayRange(TODAY, TODAY)
    return schema_drift(lake, Engine(), TABLE, STREAM, days, usual_share=usual_share)


def shown(*documents: Any) -> set[str]:
    tree = PathTree(declared_names(STREAM))
    for number, document in enumerate(documents):
        tree.add(number, document)
    return {place.path for place in tree.places()}


def test_new_and_missing_paths_are_named_by_their_topmost_part(lake: Lake) -> None:
    old = {"id": 1, "plan": {"name": "x"}, "lines": [{"sku": 1, "tax": 2}]}
    new = {"id": 1, "shipping": {"city": "x", "zip": [1]}, "lines": [{"sku": 1, "vat": 2}]}
    found = drift(lake, [old] * 50, [new] * 50)
    assert found.new == ("lines[].vat", "shipping")
    assert found.missing == ("lines[].tax", "plan")


def test_without_history_or_records_nothing_is_said(lake: Lake) -> None:
    land(lake, TODAY, [{"id": 1}] * 9)
    days = DayRange(TODAY, TODAY)
    assert schema_drift(lake, Engine(), TABLE, STREAM, days, usual_share=0.05) == Drift((), (), 9, 0)
    tomorrow = DayRange(TODAY + dt.timedelta(days=1), TODAY + dt.timedelta(days=1))
    assert schema_drift(lake, Engine(), TABLE, STREAM, tomorrow, usual_share=0.05).records == 0


def test_a_rerun_finds_the_same(lake: Lake) -> None:
    old, new = [{"id": n, "a": 1} for n in range(900)], [{"id": n, "b": 1} for n in range(900)]
    assert drift(lake, old, new) == drift(lake, old, new) == Drift(("b",), ("a",), 500, 500)


def test_a_path_that_is_not_usual_is_neither_new_nor_missing(lake: Lake) -> None:
    rare = [{"id": n, **({"coupon": 1} if n % 30 == 0 else {})} for n in range(450)]
    assert drift(lake, rare, [{"id": 1}] * 450) == Drift((), (), 450, 450)
    assert drift(lake, [{"id": 1}] * 450, rare) == Drift((), (), 450, 450)
    assert drift(lake, rare, [{"id": 1}] * 450, usual_share=0.01).missing == ("coupon",)


def test_what_chance_could_have_done_is_not_reported(lake: Lake) -> None:
    half = [{"id": n, **({"note": 1} if n % 2 else {})} for n in range(200)]
    assert drift(lake, half, [{"id": 1}] * 4).missing == ()
    assert drift(lake, half, [{"id": 1}] * 200).missing == ("note",)


def test_payloads_that_are_no_json_are_passed_over(lake: Lake) -> None:
    assert drift(lake, ["{", "NaN", *[{"id": 1}] * 30], ["\\", *[{"id": 1}] * 30]) == Drift((), (), 30, 30)


@pytest.mark.parametrize(
    "key",
    [
        "ada@canary.example",
        "12345",
        "cus_9s8d7f6g",
        "2026-06-10",
        "+41791234567",
        "Zoë Müller",
        "ada lovelace",
        "deadbeefcafe0123",
        "550e8400-e29b-41d4-a716-446655440000",
        "x" * 65,
        "",
        "a.b",
        "**",
        "<script>",
        "名前",
    ],
)
def test_a_key_that_is_no_field_name_is_never_shown(key: str) -> None:
    assert shown(*[{"id": 1, "by": {key: {"n": 1}}}] * 50) == {"id", "by", "by.*", "by.*.n"}


def test_an_object_with_ever_new_keys_is_a_map_even_if_they_look_like_fields() -> None:
    people = [f"ada_{chr(97 + n)}{chr(97 + m)}" for n in range(5) for m in range(8)]
    documents = [{"id": 1, "by_user": {person: {"visits": 1}}} for person in people]
    assert shown(*documents) == {"id", "by_user", "by_user.*", "by_user.*.visits"}


def test_an_object_whose_keys_come_back_but_are_all_of_one_kind_is_a_map_too() -> None:
    agents = ["ada", "bob", "cyd", "dan", "eve", "fay", "gil", "hal", "ivy"]
    documents = [{"solved_by": {agents[n % 9]: n, agents[(n + 1) % 9]: n}} for n in range(200)]
    assert shown(*documents) == {"solved_by", "solved_by.*"}


def test_a_record_with_many_optional_fields_is_no_map() -> None:
    fields = [f"field_{chr(97 + n)}" for n in range(12)]
    values: list[Any] = [1, "x", True, [1], 1.5, {"a": 1}]
    documents = [
        {name: values[n % 6] for n, name in enumerate(fields) if (number >> n % 3) & 1} for number in range(64)
    ]
    assert set(fields) <= shown(*documents)


def test_names_that_the_declaration_reads_are_shown_in_any_case() -> None:
    documents = [{"who": {"user_2026": 1, f"u_{n + 1_000}": 1}} for n in range(40)]
    assert shown(*documents) == {"who", "who.user_2026", "who.*"}


def test_a_huge_or_deep_document_costs_little() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep}
    assert len(shown({"wide": {f"k{chr(97 + n % 26)}{n}": {"x": n} for n in range(50_000)}, "deep": deep})) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=12))
def test_whatever_is_shown_is_made_of_field_names_alone(documents: list[Any]) -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$-.*[]")
    for path in shown(*documents):
        assert set(path) <= allowed
        assert all(sum(c.isdigit() for c in part) <= 3 for part in path.replace("[]", "").split("."))
