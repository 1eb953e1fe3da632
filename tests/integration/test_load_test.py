"""A load test replays a service's own records through the real pipeline, on a clock of the test's own."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from integration_fakes import service_for, stream_for

from cx_orchestration.integration.loadtest.busy_hour import History, history_of, peak_of
from cx_orchestration.integration.loadtest.gate import declaration_digest, falls_short, gate
from cx_orchestration.integration.loadtest.local_service import Answer, Answers, Asked, LocalService
from cx_orchestration.integration.loadtest.rehearsal import Material, material_of, rehearse
from cx_orchestration.integration.loadtest.schedule import SECOND, Slices, Stopwatch, arrivals_of
from cx_orchestration.integration.loadtest.shelf import Shelf
from cx_orchestration.integration.loadtest.templates import number_of, templates_of
from cx_orchestration.integration.loadtest.verdict import Load, Verdict
from cx_orchestration.integration.records import record_reader
from cx_orchestration.integration.times import micros, zone_of
from cx_orchestration.model import tables
from cx_orchestration.model.endpoint import (
    CursorPaginator,
    HeaderCursorPaginator,
    OffsetPaginator,
    PageNumberPaginator,
)
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.model.quality import Quality
from cx_orchestration.model.service import ServiceDeclaration, Stream
from cx_orchestration.model.settings import LoadTest, Settings
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

NOW = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
PAYLOAD = '{"id":"ch_1","created":1767225600,"customer":"cus_1","amount":1250,"status":"paid"}'
EVENT = {
    "type": "payment.succeeded",
    "occurred_at": {"path": "created", "format": "epoch_s"},
    "channel": "web",
    "entity": "customer",
}
WINDOW = {
    "params": {"since": "{window.start}", "until": "{window.end}"},
    "window": {"format": "epoch_s", "max_days": 31},
}


class Clock:
    """Time that passes when somebody sleeps, or when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def charges(paginator: dict[str, Any] | None = None, selector: str = "data", **endpoint: Any) -> Stream:
    declared = {"path": "/charges", "data_selector": selector, "paginator": paginator or {"type": "single_page"}}
    return stream_for(endpoint={**declared, **endpoint}, events=[EVENT])


def billing(stream: Stream, **client: Any) -> ServiceDeclaration:
    return service_for("http://billing.example", {"charges": stream}, auth={"type": "none"}, **client)


def rehearsed(
    declaration: ServiceDeclaration,
    *,
    clock: Clock | None = None,
    seconds: float = 3,
    per_second: float = 7,
    page_size: int = 4,
    max_drain_seconds: float = 60,
    payloads: list[str] | None = None,
    between: Callable[[Answers], Answers] = lambda answers: answers,
    scratch: Path | None = None,
) -> Verdict:
    clock = clock or Clock()
    templates = {
        name: templates_of(each, each.updated_at, payloads or [PAYLOAD])
        for name, each in declaration.streams.items()
        if each.updated_at is not None
    }
    load = Load("billing", declaration_digest(declaration), per_second * 1800, "given", 2, seconds, 1)
    return rehearse(
        declaration,
        load,
        Material(dict.fromkeys(templates, 1), templates),
        Engine(),
        max_drain_seconds=max_drain_seconds,
        page_size=page_size,
        stopwatch=Stopwatch(clock, clock.sleep),
        scratch=scratch,
        between=between,
        now=NOW,
    )


def tampering(change: Callable[[list[Any]], list[Any]]) -> Callable[[Answers], Answers]:
    """Change the records of every page on their way."""

    def between(answers: Answers) -> Answers:
        def changed(asked: Asked) -> Answer:
            answer = answers(asked)
            body = orjson.loads(answer.body)
            return Answer(orjson.dumps({**body, "data": change(body["data"])}), answer.headers)

        return changed

    return between


# --- what is replayed -------------------------------------------------------------------------------------------------


def land(lake: Lake, stream: str, times: list[dt.datetime], payload: str = PAYLOAD) -> None:
    table = tables.landed("billing", stream)
    rows = pa.table(
        {
            "record_id": [f"{stream}-{number}" for number in range(len(times))],
            "updated_at": pa.array(times, tables.UTC_MICROSECONDS),
            "extracted_at": pa.array([NOW] * len(times), tables.UTC_MICROSECONDS),
            "payload": [payload] * len(times),
            "day": [time.date() for time in times],
        }
    )
    days = rows["day"].to_pylist()
    lake.replace(table, rows, where={"day": (min(days), max(days))}, run_id="r")


def at(day: int, hour: int, minute: int = 0, month: int = 10) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, minute, tzinfo=dt.UTC)


def test_the_busiest_hour_is_the_one_in_which_all_streams_together_brought_most(lake: Lake, engine: Engine) -> None:
    land(lake, "charges", [at(1, 9, 5), at(1, 9, 59), at(1, 10, 0), at(2, 8, 0), at(2, 20, 0), at(2, 20, 59)])
    land(lake, "refunds", [at(2, 20, 30), at(4, 1, 0)])
    found = history_of(lake, engine, "billing", ["charges", "refunds", "never_landed"])
    assert found == History(at(2, 20), per_hour=3, records={"charges": 3, "refunds": 1}, days=4)


def test_an_hour_of_more_than_a_year_ago_is_not_the_years_busiest(lake: Lake, engine: Engine) -> None:
    land(lake, "charges", [dt.datetime(2025, 9, 1, 7, minute, tzinfo=dt.UTC) for minute in range(5)] + [at(1, 9)])
    found = history_of(lake, engine, "billing", ["charges"])
    assert found is not None
    assert (found.began, found.per_hour) == (at(1, 9), 1)


def test_a_service_that_landed_nothing_has_no_history(lake: Lake, engine: Engine) -> None:
    assert history_of(lake, engine, "billing", ["charges"]) is None


def test_a_short_history_says_nothing_about_a_busy_season_and_the_failure_says_what_to_do() -> None:
    short = History(at(1, 9), 40, {"charges": 40}, days=9)
    with pytest.raises(PermanentFailure) as failure:
        peak_of("billing", short, min_days=28, customers_per_year=12_000)
    assert str(failure.value) == (
        "billing has records of 9 days, and load_test.min_history_days in project.yaml asks for 28 days from "
        "the first to the last record before its busiest hour says anything about a busy season. Name the busiest "
        "hour's records with --peak-per-hour (inventory.csv: some 12,000 customers a year), or a "
        "comparable service with --like SERVICE"
    )


def test_the_busiest_hour_is_given_or_taken_from_a_comparable_service_or_from_history() -> None:
    own, other = (History(at(1, 9), count, {"charges": count}, days=400) for count in (40, 90))
    assert peak_of("billing", own, min_days=28).per_hour == 40
    assert peak_of("billing", None, min_days=28, given=1500).per_hour == 1500
    like = peak_of("billing", None, min_days=28, like="shop", history_of_like=other)
    assert (like.per_hour, like.source) == (90, "like shop")
    with pytest.raises(PermanentFailure, match="shop has no landed records"):
        peak_of("billing", own, min_days=28, like="shop", history_of_like=None)
    with pytest.raises(PermanentFailure, match="exclude each other"):
        peak_of("billing", own, min_days=28, given=3, like="shop")


def test_a_history_of_less_than_a_year_is_noted() -> None:
    assert (
        "has records of 90 days: "
        in peak_of("billing", History(at(1, 9), 4, {"charges": 4}, days=90), min_days=28).note
    )
    assert peak_of("billing", History(at(1, 9), 4, {"charges": 4}, days=366), min_days=28).note == ""


@pytest.mark.parametrize(
    ("record_id", "payload"),
    [
        ("id", {"id": "ch_1"}),
        ("id", {"id": 17}),
        ("meta.ids[0]", {"meta": {"ids": ["a", "b"]}}),
        ({"concat": ["order", {"const": ":"}, "status"]}, {"order": 5, "status": "paid"}),
        ({"coalesce": ["uuid", "id"]}, {"uuid": None, "id": "x"}),
        ({"coalesce": ["uuid", "id"]}, {"uuid": "7f", "id": "x"}),
    ],
)
@pytest.mark.parametrize(
    "updated_at",
    [
        {"path": "at"},
        {"path": "at", "format": "epoch_ms"},
        {"path": "at", "format": "%d.%m.%Y %H:%M", "time_zone": "America/Denver"},
        {"path": "at", "format": "date", "time_zone": "Pacific/Auckland"},
        {"path": "at", "time_zone": "Asia/Kolkata"},
        {"coalesce": ["log[1].at", "at"]},
    ],
)
def test_a_replayed_record_has_its_own_id_and_lies_in_the_day_of_its_slice(
    record_id: Any, updated_at: Any, payload: dict[str, Any]
) -> None:
    stream = stream_for(record_id=record_id, updated_at=updated_at)
    kept = {"note": "d41d8cd98f00b204e9800998ecf8427e", "log": [{"at": None}, {"at": None}]}
    text = orjson.dumps({**payload, "at": "2026-01-05", **kept}).decode()
    slices = Slices.of(400, 1)
    moments = np.array([0, 250_000, 999_999, 1_000_000, 399_999_999], dtype=np.int64)
    time = stream.updated_at
    assert time is not None
    shelf = Shelf(stream, time, templates_of(stream, time, [text]), moments, slices)
    read = record_reader(stream.record_id, stream.updated_at)
    records = [read(orjson.loads(shelf.record(number)), True) for number in range(5)]
    assert len({record.record_id for record in records}) == 5
    for record, number in zip(records, (0, 0, 0, 1, 399), strict=True):
        start, end = slices.days(number, number).bounds(zone_of(stream.updated_at))
        assert record.updated_at is not None
        assert micros(start) <= record.updated_at < micros(end)
        assert orjson.loads(record.payload)["note"] == kept["note"]


def test_records_that_cannot_be_given_an_id_and_a_time_are_left_out_and_counted(lake: Lake, engine: Engine) -> None:
    land(lake, "charges", [at(1, 9, minute) for minute in range(3)])
    land(lake, "refunds", [at(1, 9, 30)], payload='["no object"]')
    streams = {"charges": charges(), "refunds": charges()}
    history = history_of(lake, engine, "billing", streams)
    assert history is not None
    material = material_of(lake, engine, service_for("http://b.example", streams), history)
    assert material.records == {"charges": 3}
    assert material.notes == ("1 of 1 records of refunds cannot be given an id and a time: left out",)


def test_a_service_none_of_whose_records_can_be_replayed_is_refused(lake: Lake, engine: Engine) -> None:
    land(lake, "charges", [at(1, 9)], payload="7")
    history = history_of(lake, engine, "billing", ["charges"])
    assert history is not None
    with pytest.raises(PermanentFailure, match="none of the records of its busiest day can be replayed"):
        material_of(lake, engine, billing(charges()), history)


def test_ids_that_are_constants_cannot_be_replayed(lake: Lake, engine: Engine) -> None:
    land(lake, "charges", [at(1, 9)])
    history = history_of(lake, engine, "billing", ["charges"])
    assert history is not None
    with pytest.raises(PermanentFailure, match="billing/charges: record_id is made of constants or a 'map' alone"):
        material_of(lake, engine, billing(stream_for(record_id={"path": "id", "map": {"1": "one"}})), history)


def test_arrivals_have_the_rate_asked_for_and_the_streams_proportion() -> None:
    found = arrivals_of({"charges": 30, "refunds": 10, "disputes": 0}, per_second=2.5, length=40 * SECOND)
    assert {name: len(moments) for name, moments in found.items()} == {"charges": 75, "refunds": 25, "disputes": 0}
    assert all((np.diff(moments) >= 0).all() and moments.max(initial=0) < 40 * SECOND for moments in found.values())
    again = arrivals_of({"charges": 30, "refunds": 10, "disputes": 0}, per_second=2.5, length=40 * SECOND)
    assert all((again[name] == found[name]).all() for name in found)


# --- the replay -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paginator", "selector"),
    [
        ({"type": "single_page"}, "$"),
        ({"type": "page_number", "base_page": 0}, "result.rows"),
        ({"type": "offset", "limit": 3, "total_path": "meta.total"}, "data"),
        ({"type": "cursor", "cursor_path": "meta.next", "cursor_param": "after"}, "data"),
        (
            {"type": "cursor", "cursor_path": "next", "cursor_param": "c", "end_path": "more", "end_value": False},
            "data[0].rows",
        ),
        ({"type": "last_id"}, "data"),
        ({"type": "next_url", "next_url_path": "links.next"}, "data"),
        ({"type": "next_url", "next_url_path": "next", "done_path": "done"}, "data"),
        ({"type": "link_header"}, "$"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else value,
)
def test_every_record_comes_through_once_whatever_the_paginator(paginator: dict[str, Any], selector: str) -> None:
    verdict = rehearsed(billing(charges(paginator, selector, **WINDOW)), seconds=2, per_second=11)
    assert (verdict.offered, verdict.committed, verdict.lost, verdict.doubled) == (22, 22, 0, 0)
    assert verdict.passed


@pytest.mark.parametrize(
    "endpoint",
    [
        {},
        {"path": "/charges/{window.start}", "window": {"format": "date"}},
        {"params": {"q": "FROM c WHERE t >= {window.start} AND t <= {window.end}"}, "window": {"end": "inclusive"}},
        {"params": {"since": "{window.start}"}, "window": {"format": "%Y-%m-%dT%H:%M:%SZ", "max_days": 1}},
    ],
    ids=["no window", "day in the path", "in a query language", "open end"],
)
def test_every_record_comes_through_once_whatever_the_window(endpoint: dict[str, Any]) -> None:
    verdict = rehearsed(billing(charges(**endpoint)))
    assert (verdict.offered, verdict.committed, verdict.lost, verdict.doubled, verdict.why) == (21, 21, 0, 0, "")


@pytest.mark.parametrize(
    "files",
    [
        {"pattern": "drops/{day}/charges.csv", "format": "csv", "delimiter": ";", "encoding": "latin-1"},
        {"pattern": "drops/charges*.jsonl", "format": "jsonl"},
        {"pattern": "drops/charges.parquet", "format": "parquet"},
        {"pattern": "drops/**/charges-[0-9]?-*.csv", "format": "csv"},
    ],
    ids=lambda files: files["pattern"],
)
def test_every_row_of_file_drops_comes_through_once(files: dict[str, Any]) -> None:
    stream = stream_for(endpoint=None, files=files, events=[EVENT])
    declared = {"service": "billing", "kind": "files", "streams": {"charges": stream.model_dump()}}
    payload = '{"id":"ch_1","created":"1767225600","customer":"M\u00fcller; \\"M\\"","status":null}'
    verdict = rehearsed(ServiceDeclaration.model_validate(declared), payloads=[payload])
    assert (verdict.offered, verdict.committed, verdict.lost, verdict.doubled, verdict.why) == (21, 21, 0, 0, "")


def test_records_that_are_rejected_or_fit_no_event_are_not_lost() -> None:
    stream = charges(**WINDOW)
    paid = {**EVENT, "when": [{"path": "status", "any_of": ["paid"]}]}
    declaration = billing(stream_for(endpoint=stream.endpoint, events=[paid]))
    payloads = [
        PAYLOAD,
        PAYLOAD.replace('"paid"', '"open"'),
        PAYLOAD.replace('"cus_1"', "null"),
    ]
    verdict = rehearsed(declaration, payloads=payloads)
    assert (verdict.offered, verdict.lost, verdict.doubled, verdict.why) == (21, 0, 0, "")


def test_a_record_that_a_page_leaves_out_is_reported_as_lost() -> None:
    drop = tampering(lambda records: [record for record in records if record["id"] != "load-000000000009"])
    verdict = rehearsed(billing(charges(**WINDOW)), between=drop)
    assert (verdict.lost, verdict.doubled, verdict.passed) == (1, 0, False)
    assert verdict.why == "1 record lost"


def test_a_record_that_comes_again_under_a_later_day_is_reported_as_doubled() -> None:
    day = 24 * 3600

    def repeat(records: list[Any]) -> list[Any]:
        again = [
            {**record, "created": record["created"] + day} for record in records if record["id"] == "load-000000000000"
        ]
        return [*records, *again]

    # Without a window every day's listing has it.
    verdict = rehearsed(billing(charges()), between=tampering(repeat))
    assert (verdict.lost, verdict.doubled, verdict.why) == (0, 1, "1 record doubled")


def test_a_record_that_nobody_offered_counts_as_doubled() -> None:
    intruder = tampering(lambda records: [*records, *({**record, "id": "x"} for record in records[:1])])
    verdict = rehearsed(billing(charges(**WINDOW)), between=intruder, seconds=1)
    assert (verdict.lost, verdict.doubled) == (0, 1)


def breaking(*calls: int) -> Callable[[Answers], Answers]:
    """Break the connection off at the requests with these numbers."""
    count = 0

    def between(answers: Answers) -> Answers:
        def broken(asked: Asked) -> Answer:
            nonlocal count
            count += 1
            if count in calls:
                raise ConnectionResetError
            return answers(asked)

        return broken

    return between


def test_connections_that_break_during_the_replay_cost_time_and_no_record() -> None:
    declaration = billing(charges({"type": "last_id"}, **WINDOW), max_attempts=1)
    verdict = rehearsed(declaration, between=breaking(2, 5, 6))
    assert (verdict.retried, verdict.committed, verdict.lost, verdict.doubled) == (3, 21, 0, 0)
    assert verdict.notes[0].startswith("an attempt was made again: billing/charges: ")
    assert verdict.passed


def test_what_a_failed_attempt_landed_is_neither_lost_nor_doubled_when_time_is_up() -> None:
    asked_before: list[str] = []

    def refunds_go_down(answers: Answers) -> Answers:
        def broken(asked: Asked) -> Answer:
            if asked.stream == "refunds" and asked.stream in asked_before:
                raise ConnectionResetError
            asked_before.append(asked.stream)
            return answers(asked)

        return broken

    streams = {"charges": charges(**WINDOW), "refunds": charges(**WINDOW)}
    declaration = service_for("http://billing.example", streams, auth={"type": "none"}, max_attempts=1)
    verdict = rehearsed(declaration, seconds=2, max_drain_seconds=1.5, between=refunds_go_down)
    assert (verdict.retried, verdict.committed + verdict.still_waiting) == (2, 14)
    assert 0 < verdict.committed < 14
    assert (verdict.lost, verdict.doubled) == (0, 0)
    assert verdict.why == f"{verdict.still_waiting} of 14 records still waiting 1.5 s after the last arrival"


def test_a_replay_that_fails_again_and_again_ends_with_the_failure(tmp_path: Path) -> None:
    declaration = billing(charges(**WINDOW), max_attempts=1)
    with pytest.raises(TransientFailure, match="billing/charges: /charges/charges: no complete answer"):
        rehearsed(declaration, between=breaking(*range(1, 100)), scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_is_not_as_declared_ends_the_replay_at_once() -> None:
    def html(_: Answers) -> Answers:
        return lambda asked: Answer(b"<html>")

    with pytest.raises(PermanentFailure, match="HTML page"):
        rehearsed(billing(charges(**WINDOW)), between=html)


def walked(endpoint: dict[str, Any], records: int = 7, **arriving: int) -> tuple[list[int], list[Any]]:
    """The numbers of the records that the local service lists, page by page, and the pages' bodies without them.

    With ``arriving``, only so many ``first`` and the rest after the first page.
    """
    in_body = any(name.endswith("_body_path") for name in endpoint["paginator"])
    stream = charges(**endpoint, method="POST" if in_body else "GET")
    assert stream.updated_at is not None and stream.endpoint is not None
    clock = Clock()
    stopwatch = Stopwatch(clock, clock.sleep)
    stopwatch.start()
    moments = np.arange(records, dtype=np.int64) * 1000
    shelf = Shelf(
        stream, stream.updated_at, templates_of(stream, stream.updated_at, [PAYLOAD]), moments, Slices.of(1, 1)
    )
    service = LocalService({"charges": shelf}, stopwatch, page_size=3)
    clock.now += (arriving.get("first", records) - 1) / 1000
    how = stream.endpoint.paginator
    numbers, bodies = [], []
    params = {"page": "1"}
    body: dict[str, Any] = {}
    while len(bodies) < 9:
        answer = service(Asked("charges", "/charges", params, body))
        found = orjson.loads(answer.body)
        page = [number_of(record["id"]) for record in found.pop("data")]
        numbers += [number for number in page if number is not None]
        bodies.append(found)
        clock.now += 1
        match how:
            case PageNumberPaginator() if len(bodies) < found["pages"]:
                params = {"page": str(len(bodies) + 1)}
            case OffsetPaginator() if len(numbers) < found["total"]:
                body = {"page": {"offset": len(numbers), "limit": how.limit}}
            case CursorPaginator() if found.get("next"):
                body = {"after": found["next"]}
            case HeaderCursorPaginator() if "X-Next" in answer.headers:
                params = {"cursor": answer.headers["X-Next"]}
            case _:
                break
    return numbers, bodies


@pytest.mark.parametrize(
    "paginator",
    [
        {"type": "header_cursor", "cursor_header": "X-Next", "cursor_param": "cursor"},
        {"type": "cursor", "cursor_path": "next", "cursor_body_path": "after"},
        {"type": "cursor", "cursor_path": "next", "cursor_body_path": "after", "null_when_absent": True},
        {"type": "page_number", "total_pages_path": "pages"},
        {
            "type": "offset",
            "limit": 2,
            "limit_body_path": "page.limit",
            "offset_body_path": "page.offset",
            "total_path": "total",
        },
    ],
    ids=lambda paginator: "-".join(map(str, paginator.values())),
)
def test_the_local_service_pages_through_headers_bodies_and_counts_as_declared(paginator: dict[str, Any]) -> None:
    numbers, bodies = walked({"paginator": paginator, "complete_when": {"path": "state", "equals": "done"}})
    assert numbers == list(range(7))
    assert [body.get("state") for body in bodies] == [None] * (len(bodies) - 1) + ["done"]
    if paginator.get("null_when_absent"):
        assert "next" not in bodies[-1]


def test_a_listing_with_the_newest_first_is_not_shifted_by_what_arrives_meanwhile() -> None:
    cursor = {"type": "cursor", "cursor_path": "next", "cursor_body_path": "after"}
    order = {"by": "created", "direction": "descending"}
    numbers, _ = walked({"paginator": cursor, "order": order}, first=5)
    assert numbers == [4, 3, 2, 1, 0]


# --- figures ----------------------------------------------------------------------------------------------------------


def taking(clock: Clock, *seconds: float) -> Callable[[Answers], Answers]:
    """Answers that take so many seconds each, the last number for ever."""
    left = list(seconds)

    def between(answers: Answers) -> Answers:
        def slow(asked: Asked) -> Answer:
            clock.sleep(left.pop(0) if len(left) > 1 else left[0])
            return answers(asked)

        return slow

    return between


def test_a_stall_counts_against_all_who_arrived_meanwhile() -> None:
    """Were latency counted from when the pipeline asks, the one stalled batch of ten would hide in the percentiles."""
    clock = Clock()
    verdict = rehearsed(
        billing(charges(**WINDOW)), clock=clock, seconds=10, per_second=100, between=taking(clock, 8, 0), page_size=999
    )
    assert verdict.latency is not None
    assert verdict.batches == 3  # the first slice, the eight that ended meanwhile in one go, the last
    assert 3 < verdict.latency.p50 < 5
    assert 8 < verdict.latency.p99 < 9
    assert verdict.backlog[0].before > 800
    assert verdict.passed


def test_without_any_delay_latency_is_the_wait_for_the_next_request_alone() -> None:
    verdict = rehearsed(billing(charges(**WINDOW)), seconds=3, per_second=200, page_size=999)
    assert verdict.latency is not None
    assert verdict.latency.p50 == pytest.approx(0.5, abs=0.05)
    assert verdict.latency.p99 <= 1
    assert (verdict.drain_seconds, verdict.busy, verdict.achieved_per_second) == (0, 0, 200)


def test_a_backlog_that_is_not_worked_off_in_time_fails_and_is_not_called_lost() -> None:
    clock = Clock()
    verdict = rehearsed(billing(charges(**WINDOW)), clock=clock, max_drain_seconds=5, between=taking(clock, 30))
    assert (verdict.still_waiting, verdict.lost, verdict.doubled) == (21 - verdict.committed, 0, 0)
    assert 0 < verdict.committed < 21
    assert verdict.why == f"{verdict.still_waiting} of 21 records still waiting 5 s after the last arrival"
    assert verdict.drain_seconds == 28


def test_a_replay_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    class Interrupted(Clock):
        def sleep(self, seconds: float) -> None:
            assert len(list(tmp_path.iterdir())) == 1
            if self.now > 101:
                raise KeyboardInterrupt
            super().sleep(seconds)

    with pytest.raises(KeyboardInterrupt):
        rehearsed(billing(charges(**WINDOW)), clock=Interrupted(), scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_lake_is_for_its_owner_alone_and_gone_afterwards(tmp_path: Path) -> None:
    class Looking(Clock):
        def sleep(self, seconds: float) -> None:
            assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o700]
            super().sleep(seconds)

    rehearsed(billing(charges(**WINDOW)), clock=Looking(), scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- the gate ---------------------------------------------------------------------------------------------------------


SETTINGS = Settings(
    name="x", start_date=dt.date(2026, 1, 1), busy_season_factor=2, load_test={"seconds": 3, "min_history_days": 1}
)


def kept(lake: Lake, verdict: Verdict) -> None:
    lake.append(tables.LOAD_TESTS, verdict.row(), run_id="t")


def test_a_service_passes_the_gate_with_a_passed_test_of_its_declaration_as_it_is_now(
    lake: Lake, engine: Engine
) -> None:
    declaration = billing(charges(**WINDOW))
    assert gate(lake, engine, declaration, SETTINGS).why == (
        "billing is not tested for the busy season: it has no load test yet; run 'cx loadtest billing'."
    )
    verdict = rehearsed(declaration)
    kept(lake, verdict)
    passed = gate(lake, engine, declaration, SETTINGS)
    assert (passed.passed, passed.why) == (True, "")
    assert passed.test is not None
    assert (passed.test["offered"], passed.test["latency_p99"]) == (21, verdict.latency and verdict.latency.p99)
    for changed in (
        (billing(charges(**WINDOW), rate={"per_second": 5}), SETTINGS),
        (billing(charges({"type": "last_id"}, **WINDOW)), SETTINGS),
        (declaration, SETTINGS.model_copy(update={"busy_season_factor": 3})),
        (declaration, SETTINGS.model_copy(update={"load_test": LoadTest(seconds=60)})),
    ):
        refused = gate(lake, engine, *changed)
        assert not refused.passed
        assert "its load test is of another declaration, of a smaller factor than" in refused.why


@pytest.mark.parametrize(
    ("seconds", "factor", "why"),
    [(3, 2, ""), (60, 5, ""), (2, 2, "2 s < 3 s"), (3, 1, "factor 1 < 2"), (2.5, 0.5, "2.5 s < 3 s, factor 0.5 < 2")],
)
def test_a_test_that_the_gate_will_not_count_is_known_by_its_load(
    lake: Lake, engine: Engine, seconds: float, factor: float, why: str
) -> None:
    declaration = billing(charges(**WINDOW))
    verdict = rehearsed(declaration)
    load = dataclasses.replace(verdict.load, seconds=seconds, factor=factor)
    kept(lake, dataclasses.replace(verdict, load=load))
    assert falls_short(load, SETTINGS) == why
    assert gate(lake, engine, declaration, SETTINGS).passed == (not why)


def test_the_newest_test_decides(lake: Lake, engine: Engine) -> None:
    declaration = billing(charges(**WINDOW))
    drop = tampering(lambda records: records[1:])
    kept(lake, rehearsed(declaration))
    lost = rehearsed(declaration, between=drop)
    later = lost.row().set_column(1, "tested_at", pa.array([NOW + dt.timedelta(hours=1)], tables.UTC_MICROSECONDS))
    lake.append(tables.LOAD_TESTS, later, run_id="t")
    assert gate(lake, engine, declaration, SETTINGS).why == (
        "billing is not fit for the busy season: the load test of 2026-11-02 01:00 UTC was not passed: "
        "3 records lost; mend that and run 'cx loadtest billing'."
    )


def test_words_about_a_service_and_defaults_written_out_need_no_new_test() -> None:
    plain = billing(charges(**WINDOW))
    described = plain.model_copy(
        update={
            "description": "Money",
            "owner": "team:money",
            "freshness_hours": 5,
            "quality": Quality(max_rejected_share=1),
        }
    )
    written_out = ServiceDeclaration.model_validate({**plain.model_dump(), "owner": "team:x"})
    assert declaration_digest(described) == declaration_digest(written_out) == declaration_digest(plain)
    assert declaration_digest(billing(charges())) != declaration_digest(plain)
