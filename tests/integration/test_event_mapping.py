"""Landed records to customer events: golden cases, what is rejected and why, and reruns."""

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from integration_fakes import stream_for

from cx_orchestration.integration import mapping
from cx_orchestration.integration.event_ids import digest_sql, event_id, event_ids
from cx_orchestration.integration.mapping import compile_events, map_events
from cx_orchestration.integration.records import parse_json, record_reader
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration, Stream
from cx_orchestration.model.tables import EVENTS, REJECTED_RECORDS, landed
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

DAY = dt.date(2024, 1, 2)
DAYS = DayRange(DAY, DAY)
CREATED = 1704150000
EVENT = {
    "type": "payment.made",
    "occurred_at": {"path": "created", "format": "epoch_s"},
    "channel": "web",
    "entity": "customer",
}
RECORD = {"id": "ch_1", "created": CREATED, "customer": "cus_1"}


def event(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**EVENT, **changes}.items() if value is not None}


def declare(*events: dict[str, Any], **changes: Any) -> ServiceDeclaration:
    stream = stream_for(events=list(events), **changes)
    return ServiceDeclaration.model_validate(
        {
            "service": "billing",
            "kind": "rest",
            "client": {"base_url": "http://127.0.0.1"},
            "streams": {"charges": stream.model_dump()},
        }
    )


def put(lake: Lake, stream: Stream, texts: list[str | bytes], *, day: dt.date = DAY, name: str = "charges") -> None:
    """Land texts as the extractor would."""
    read, rows = record_reader(stream.record_id, stream.updated_at), []
    for text in texts:
        parsed = parse_json(text.encode() if isinstance(text, str) else text)
        assert parsed is not None
        record = read(*parsed)
        rows.append({**record._asdict(), "extracted_at": dt.datetime(2024, 2, 1, tzinfo=dt.UTC), "day": day})
    table = landed("billing", name)
    columns = {field.name: pa.array([row[field.name] for row in rows], field.type) for field in table.schema}
    lake.replace(table, pa.table(columns), where={"day": day}, run_id="land")


@pytest.fixture
def run(engine: Engine, lake: Lake) -> Callable[..., tuple[list[dict[str, Any]], list[dict[str, Any]], mapping.Mapped]]:
    """Lands records (objects or texts), maps them, and gives events, rejections and the result."""

    def run(
        declaration: ServiceDeclaration, *records: Any
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]], mapping.Mapped]:
        texts = [record if isinstance(record, str | bytes) else json.dumps(record) for record in records]
        put(lake, declaration.streams["charges"], texts)
        mapped = map_events(engine, lake, declaration, DAYS, run_id="map")
        events = sorted(lake.read(EVENTS).to_pylist(), key=lambda row: (row["record_id"], row["type"]))
        rejected = sorted(lake.read(REJECTED_RECORDS).to_pylist(), key=lambda row: (row["record_id"], row["reason"]))
        return events, rejected, mapped

    return run


def test_a_record_becomes_an_event_with_everything_that_is_declared(run: Any) -> None:
    declared = event(
        type={"path": "status", "map": {"ok": "payment.made", "no": "payment.failed"}},
        channel={"path": "via", "map": {"app": "mobile"}, "default": "web"},
        keys={"phone": "phone", "email": {"coalesce": ["email", "billing.email"]}, "login": "login"},
        amount={"path": "amount", "scale": 0.01},
        currency="currency",
        score="rating",
        score_kind="csat",
        attributes={"plan": "meta.plan", "city": "billing.city", "none": "absent", "label": {"const": 'x"y'}},
    )
    record = {
        **RECORD, "status": "ok", "via": "app", "phone": "+41 44", "email": None, "amount": 1999, "currency": "chf",
        "billing": {"email": "a@b.ch", "city": "Zürich"}, "login": "", "rating": "4.5", "meta": {"plan": 7},
    }  # fmt: skip
    events, rejected, mapped = run(declare(declared), record)
    assert rejected == []
    assert events == [
        {
            "event_id": event_id("billing", "charges", "ch_1", "payment.made"),
            "type": "payment.made",
            "occurred_at": dt.datetime(2024, 1, 1, 23, tzinfo=dt.UTC),
            "service": "billing",
            "stream": "charges",
            "record_id": "ch_1",
            "channel": "mobile",
            "entity": "cus_1",
            "keys": [{"namespace": "email", "value": "a@b.ch"}, {"namespace": "phone", "value": "+41 44"}],
            "amount": Decimal("19.9900"),
            "currency": "CHF",
            "score": 4.5,
            "score_kind": "csat",
            "attributes": '{"city":"Zürich","label":"x\\"y","plan":"7"}',
            "day": DAY,
            "authenticated_state": None,
        }
    ]
    assert mapped == mapping.Mapped({DAY: 1}, {"charges": 1}, {}, 0)


def test_what_a_record_lacks_is_null_and_no_reason_to_reject(run: Any) -> None:
    declared = event(keys={"email": "email"}, amount="amount", currency="currency", score="score", score_kind="nps")
    events, rejected, _ = run(declare(declared), RECORD)
    (row,) = events
    assert rejected == []
    assert (row["keys"], row["amount"], row["currency"], row["score"], row["score_kind"]) == (
        [],
        None,
        None,
        None,
        None,
    )
    assert row["attributes"] == "{}"


def test_one_record_can_be_several_events(run: Any) -> None:
    solved = event(type="ticket.solved", when=[{"path": "solved", "exists": True}],
                   occurred_at={"path": "solved", "format": "epoch_s"})  # fmt: skip
    declaration = declare(event(type="ticket.opened"), solved)
    events, _, mapped = run(declaration, {**RECORD, "solved": CREATED + 60}, {**RECORD, "id": "ch_2"})
    assert [(row["record_id"], row["type"]) for row in events] == [
        ("ch_1", "ticket.opened"), ("ch_1", "ticket.solved"), ("ch_2", "ticket.opened"),
    ]  # fmt: skip
    assert events[1]["occurred_at"] - events[0]["occurred_at"] == dt.timedelta(seconds=60)
    assert len({row["event_id"] for row in events}) == 3
    assert mapped.unmapped == 0


def test_a_record_that_only_a_later_event_fits_is_that_event_alone(run: Any) -> None:
    kinds = {"a": "kind.a", "b": "kind.b", "c": "kind.c"}
    declared = [event(type=kinds[kind], when=[{"path": "kind", "any_of": [kind]}]) for kind in kinds]
    records = [{**RECORD, "id": f"{kind}{n}", "kind": kind} for n in range(2) for kind in [*kinds, "other"]]
    bad = {"id": "bad", "kind": "b", "created": CREATED}
    events, rejected, mapped = run(declare(*declared), *records, bad, "[]")
    assert [(row["record_id"], row["type"]) for row in events] == [
        (f"{kind}{n}", kinds[kind]) for kind in kinds for n in range(2)
    ]
    assert {(row["event_type"], row["reason"]) for row in rejected} == {
        ("kind.b", mapping.ENTITY_MISSING), (None, mapping.NOT_AN_OBJECT),
    }  # fmt: skip
    assert mapped.unmapped == 2


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ({"any_of": ["a", "1"]}, ["a", 1, "1"]),
        ({"none_of": ["a", "true"]}, [1, "1", False, None, "absent", ""]),
        ({"exists": True}, ["a", 1, "1", True, False]),
        ({"exists": False}, [None, "absent", ""]),
    ],
)
def test_conditions_on_every_kind_of_value(run: Any, condition: dict[str, Any], fits: list[Any]) -> None:
    values = ["a", 1, "1", True, False, None, "absent", ""]
    records = [
        {**RECORD, "id": f"{n}", **({} if value == "absent" else {"x": value})} for n, value in enumerate(values)
    ]
    events, rejected, mapped = run(declare(event(when=[{"path": "x", **condition}])), *records)
    found = [values[int(row["record_id"])] for row in events]
    assert [(type(value), value) for value in found] == [(type(value), value) for value in values if keep(value, fits)]
    assert (rejected, mapped.unmapped) == ([], len(values) - len(found))


def keep(value: Any, fits: list[Any]) -> bool:
    return any(type(value) is type(fit) and value == fit for fit in fits)


def test_all_conditions_must_hold(run: Any) -> None:
    both = [{"path": "a", "any_of": ["1"]}, {"path": "b", "any_of": ["1"]}]
    events, _, mapped = run(
        declare(event(when=both)), {**RECORD, "a": 1, "b": 2}, {**RECORD, "id": "x", "a": 1, "b": 1}
    )
    assert [row["record_id"] for row in events] == ["x"]
    assert mapped.unmapped == 1


@pytest.mark.parametrize(
    ("amount", "scale", "expected"),
    [
        (1999, 0.01, "19.9900"),
        (-1999, 0.01, "-19.9900"),
        (29, -0.01, "-0.2900"),
        (0, 0.01, "0.0000"),
        ("19.99", None, "19.9900"),
        (19.99, None, "19.9900"),
        (0.1, 3, "0.3000"),
        (1.005, 100, "100.5000"),
        (12345678, 0.000001, "12.3457"),
        (999_999_999_999_99, 0.01, "999999999999.9900"),
        (123_456_789_012_345_678, 0.0001, "12345678901234.5678"),
        ("1e3", 0.01, "10.0000"),
        ("99999999999999.9999", None, "99999999999999.9999"),
    ],
)
def test_amounts_are_exact_decimals(run: Any, amount: Any, scale: float | None, expected: str) -> None:
    declared = event(amount={"path": "amount", "scale": scale}, currency={"const": "usd"})
    events, rejected, _ = run(declare(declared), {**RECORD, "amount": amount})
    assert rejected == []
    assert events[0]["amount"] == Decimal(expected)


@given(st.integers(-(10**15), 10**15), st.sampled_from([0.01, 0.001, 1, 10, 0.25, -0.01]))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_scaling_whole_numbers_is_exact(amount: int, scale: float) -> None:
    declared = declare(event(amount={"path": "amount", "scale": scale}, currency={"const": "usd"}))
    rows = pa.table(
        {
            "record_id": ["1"],
            "updated_at": pa.array([0], pa.timestamp("us", tz="UTC")),
            "payload": [json.dumps({**RECORD, "amount": amount})],
            "deleted": [None],
            "day": pa.array([DAY]),
        }
    )
    found = Engine().query(compile_events("billing", "charges", declared.streams["charges"]), {"landed": rows})
    exact = (amount * Decimal(str(scale))).quantize(Decimal("0.0001"), rounding="ROUND_HALF_UP")
    row = next(row for row in found.to_pylist() if not row["unmapped"])
    assert row["amount"] == (exact if abs(exact) < 10**14 else None)


REJECTIONS = {
    mapping.TIME_MISSING: {"created": None},
    mapping.TIME_UNREADABLE: {"created": "soon"},
    mapping.ENTITY_MISSING: {"customer": ""},
    mapping.AMOUNT_UNREADABLE: {"amount": "12,50"},
    mapping.AMOUNT_WITHOUT_CURRENCY: {"currency": None},
    mapping.CURRENCY_UNREADABLE: {"currency": "euros"},
    mapping.SCORE_UNREADABLE: {"score": "good"},
}


@pytest.mark.parametrize("reason", REJECTIONS)
def test_a_record_that_cannot_be_an_event_is_rejected_with_its_reason_and_payload(run: Any, reason: str) -> None:
    declared = event(amount="amount", currency="currency", score="score", score_kind="nps")
    whole = {**RECORD, "amount": 5, "currency": "eur", "score": 3}
    bad = {**whole, "id": "bad", **REJECTIONS[reason]}
    events, rejected, mapped = run(declare(declared), whole, bad)
    assert [row["record_id"] for row in events] == ["ch_1"]
    (row,) = rejected
    assert json.loads(row.pop("payload")) == bad
    assert row == {
        "service": "billing", "stream": "charges", "record_id": "bad", "event_type": "payment.made", "reason": reason,
        "day": DAY,
    }  # fmt: skip
    assert mapped.rejected == {reason: 1}


def test_every_reason_of_a_record_has_a_row(run: Any) -> None:
    declared = event(amount="amount", currency="currency")
    events, rejected, mapped = run(declare(declared), {"id": "bad", "amount": "?"})
    reasons = {mapping.TIME_MISSING, mapping.ENTITY_MISSING, mapping.AMOUNT_UNREADABLE}
    assert events == []
    assert {row["reason"] for row in rejected} == reasons
    assert mapped.rejected == dict.fromkeys(sorted(reasons), 1)


@pytest.mark.parametrize("score", ["NaN", "Infinity", "1e999", "true"])
def test_a_score_is_a_finite_number(run: Any, score: str) -> None:
    _, rejected, _ = run(declare(event(score="score", score_kind="nps")), {**RECORD, "score": score})
    assert [row["reason"] for row in rejected] == [mapping.SCORE_UNREADABLE]


POISON = [
    (b'{"id": "nan", "created": 1704150000, "customer": "c", "amount": NaN}', mapping.AMOUNT_UNREADABLE),
    (b'{"id": "huge", "created": 1704150000, "customer": "c", "amount": 1e400}', mapping.AMOUNT_UNREADABLE),
    (b'{"id": "surrogate", "created": 1704150000, "customer": "\\ud800"}', mapping.NOT_JSON),
    (b'{"id": "nul", "created": 1704150000, "customer": "a\\u0000b"}', mapping.NUL),
    (b'{"id": "date", "created": "31 Feb", "customer": "c"}', mapping.TIME_UNREADABLE),
    (b'{"created": 1704150000, "customer": "c"}', mapping.NO_RECORD_ID),
    (b'["list"]', mapping.NOT_AN_OBJECT),
    (b'"text"', mapping.NOT_AN_OBJECT),
    (b"17", mapping.NOT_AN_OBJECT),
    (b"null", mapping.NOT_AN_OBJECT),
]


def test_poison_goes_to_quarantine_and_the_good_records_land(run: Any) -> None:
    declaration = declare(event(amount="amount", currency={"const": "USD"}))
    good = [{**RECORD, "id": f"good_{n}", "note": "a\\u0000 that is only text"} for n in range(3)]
    events, rejected, _ = run(declaration, *good, *[text for text, _ in POISON])
    assert [row["record_id"] for row in events] == ["good_0", "good_1", "good_2"]
    charges = declaration.streams["charges"]
    read = record_reader(charges.record_id, charges.updated_at)
    expected = set()
    for text, reason in POISON:
        parsed = parse_json(text)
        assert parsed is not None
        expected.add((read(*parsed).record_id, reason))
    assert {(row["record_id"], row["reason"]) for row in rejected} == expected
    assert all(row["payload"] for row in rejected)


def test_a_payload_that_is_no_json_does_not_stop_the_others(engine: Engine) -> None:
    declared = declare(event()).streams["charges"]
    texts = [json.dumps(RECORD), '{"cut": ', "", "{'single': 1}", json.dumps({**RECORD, "id": "x"})]
    rows = pa.table(
        {
            "record_id": [str(n) for n in range(5)],
            "updated_at": pa.array([0] * 5, pa.timestamp("us", tz="UTC")),
            "payload": texts,
            "deleted": [False] * 5,
            "day": pa.array([DAY] * 5),
        }
    )
    found = engine.query(compile_events("billing", "charges", declared), {"landed": rows}).to_pylist()
    outcomes = {row["record_id"]: row["reasons"] for row in found if not row["unmapped"]}
    assert outcomes == {"0": None, "1": [mapping.NOT_JSON], "2": [mapping.NOT_JSON], "3": [mapping.NOT_JSON], "4": None}


def test_records_that_no_event_fits_are_counted_not_rejected(run: Any) -> None:
    declared = event(type={"path": "kind", "map": {"a": "kind.a"}})
    _, rejected, mapped = run(declare(declared), {**RECORD, "kind": "b"}, {"id": "no time, no entity", "kind": "c"})
    assert (rejected, mapped.unmapped, mapped.total) == ([], 2, 0)


def test_names_in_a_declaration_cannot_become_sql(run: Any) -> None:
    evil = "'; DROP TABLE events; --"
    quoted = json.dumps(evil)
    declared = event(
        entity=quoted,
        keys={"email": {"path": quoted, "map": {evil: evil}}},
        attributes={"a": {"const": evil}, "b": f"x.{quoted}", "c": {"path": "absent", "default": evil}},
        when=[{"path": quoted, "any_of": [evil, "x"]}],
    )
    events, rejected, _ = run(declare(declared), {**RECORD, evil: evil, "x": {evil: 1}})
    assert rejected == []
    assert events[0]["entity"] == evil
    assert events[0]["keys"] == [{"namespace": "email", "value": evil}]
    assert json.loads(events[0]["attributes"]) == {"a": evil, "b": "1", "c": evil}


def test_values_are_joined_mapped_scaled_and_defaulted(run: Any) -> None:
    declared = event(
        attributes={
            "joined": {"concat": ["a", {"const": "-"}, "b"]},
            "unjoined": {"concat": ["a", "absent"]},
            "first": {"coalesce": ["absent", "empty", {"path": "b", "map": {"2": "two"}}]},
            "unknown": {"path": "a", "map": {"9": "nine"}},
            "fallback": {"path": "a", "map": {"9": "nine"}, "default": "other"},
            "scaled": {"path": "b", "scale": 0.5},
            "odd": {"path": "text", "scale": 0.5},
            "flag": {"const": True},
            "object": "object",
        }
    )
    record = {**RECORD, "a": "x", "b": 2, "empty": "", "text": "many", "object": {"k": [1, None]}}
    events, _, _ = run(declare(declared), record)
    assert json.loads(events[0]["attributes"]) == {
        "joined": "x-2", "first": "two", "fallback": "other", "scaled": "1", "odd": "many", "flag": "true",
        "object": '{"k":[1,null]}',
    }  # fmt: skip


TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=20))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_attributes_are_json_whatever_texts_a_record_has_and_lacks(records: list[tuple[str | None, ...]]) -> None:
    declared = declare(event(attributes={"a": "a", "b": "b", "c": "deep.c"}))
    payloads = [json.dumps({**RECORD, "a": a, "b": b, "deep": {"c": c}}) for a, b, c in records]
    rows = pa.table(
        {
            "record_id": [str(n) for n in range(len(records))],
            "updated_at": pa.array([0] * len(records), pa.timestamp("us", tz="UTC")),
            "payload": payloads,
            "deleted": [False] * len(records),
            "day": pa.array([DAY] * len(records)),
        }
    )
    found = Engine().query(compile_events("billing", "charges", declared.streams["charges"]), {"landed": rows})
    by_id = {row["record_id"]: json.loads(row["attributes"]) for row in found.to_pylist()}
    assert [by_id[str(n)] for n in range(len(records))] == [
        {name: text for name, text in zip("abc", record, strict=True) if text} for record in records
    ]


def test_a_default_stands_in_for_a_missing_amount_but_not_for_an_unreadable_one(run: Any) -> None:
    declared = event(amount={"path": "amount", "scale": 0.01, "default": "7.5"}, currency={"const": "usd"})
    events, rejected, _ = run(declare(declared), RECORD, {**RECORD, "id": "bad", "amount": "lots"})
    assert events[0]["amount"] == Decimal("7.5000")
    assert [row["reason"] for row in rejected] == [mapping.AMOUNT_UNREADABLE]


def test_fields_whose_names_differ_in_case_only_are_told_apart(run: Any) -> None:
    declared = event(entity="Id", attributes={"lower": "id", "deep": "Id2.id", "whole": "Id2"})
    events, _, _ = run(declare(declared), {**RECORD, "Id": "upper", "Id2": {"id": 5}})
    assert events[0]["entity"] == "upper"
    assert json.loads(events[0]["attributes"]) == {"lower": "ch_1", "deep": "5", "whole": '{"id":5}'}


def test_a_rerun_changes_nothing_and_only_its_own_days_and_service(engine: Engine, lake: Lake) -> None:
    declaration = declare(event())
    stream = declaration.streams["charges"]
    other = dt.date(2024, 1, 3)
    put(lake, stream, [json.dumps(RECORD), '{"id": "bad"}'])
    put(lake, stream, [json.dumps({**RECORD, "id": "ch_9"})], day=other)
    both = DayRange(DAY, other)
    map_events(engine, lake, declaration, both, run_id="first")
    before = lake.content_hash(EVENTS), lake.content_hash(REJECTED_RECORDS)
    for days in (DayRange(other, other), DAYS, both):
        map_events(engine, lake, declaration, days, run_id="again")
    assert (lake.content_hash(EVENTS), lake.content_hash(REJECTED_RECORDS)) == before
    put(lake, stream, [], day=other)
    mapped = map_events(engine, lake, declaration, both, run_id="emptied")
    assert mapped.events == {DAY: 1, other: 0}
    assert {row["record_id"] for row in lake.read(EVENTS).to_pylist()} == {"ch_1"}


def test_a_range_of_days_is_one_commit_a_table(engine: Engine, lake: Lake) -> None:
    declaration = declare(event())
    put(lake, declaration.streams["charges"], [json.dumps(RECORD)])
    map_events(engine, lake, declaration, DayRange(dt.date(2024, 1, 1), dt.date(2024, 1, 31)), run_id="run-7")
    for table in (EVENTS, REJECTED_RECORDS):
        writes = [commit for commit in lake.history(table) if commit["operation"] == "WRITE"]
        assert [commit["run_id"] for commit in writes] == ["run-7"]


def test_a_stream_that_never_landed_gives_no_events(engine: Engine, lake: Lake) -> None:
    assert map_events(engine, lake, declare(event()), DAYS, run_id="r").events == {DAY: 0}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=20))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_event_ids_of_many_are_those_of_one(record_ids: list[str]) -> None:
    sql = f"SELECT {digest_sql('billing', 'charges', 'r', 'kind')} AS digest FROM names"
    names = pa.table({"r": pa.array(record_ids, pa.string()), "kind": ["payment.made"] * len(record_ids)})
    digests = Engine().query(sql, {"names": names})["digest"]
    expected = [event_id("billing", "charges", record_id, "payment.made") for record_id in record_ids]
    assert event_ids(digests).to_pylist() == expected
    assert event_ids(digests.slice(1)).to_pylist() == expected[1:]


def test_an_event_id_never_changes() -> None:
    assert event_id("billing", "charges", "ch_1", "payment.made") == "e3657c8e-4741-522b-8d46-bcf9152cf76b"


@given(st.text(st.sampled_from("a|."), max_size=6), st.text(st.sampled_from("a|."), max_size=6))
@settings(derandomize=True)
def test_different_records_and_types_never_share_an_event_id(one: str, other: str) -> None:
    ids = {event_id("s", "t", record, kind) for record in {one, other} for kind in ("a", "a.a")}
    assert len(ids) == 2 * len({one, other})


def test_an_event_says_whether_the_customer_was_signed_in(run: Any) -> None:
    declared = event(
        authenticated_when=[{"path": "user", "exists": True}, {"path": "session", "any_of": ["open"]}],
        logged_out_when=[{"path": "session", "any_of": ["closed"]}],
    )
    records = [
        {**RECORD, "id": "1", "user": "u", "session": "open"},
        {**RECORD, "id": "2", "user": "u", "session": "closed"},
        {**RECORD, "id": "3", "session": "open"},
    ]
    events, _, _ = run(declare(declared), *records)
    assert [each["authenticated_state"] for each in events] == ["authenticated", "logged_out", None]
