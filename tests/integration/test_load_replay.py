"""A replay brings every record through the real pipeline once, whatever the declaration, and says what did not come."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration_fakes import service_for, stream_for
from rehearsals import EVENT, PAYLOAD, WINDOW, billing, charges, rehearsed, tampering

from cx_orchestration.integration.loadtest.local_service import Answer, Answers, Asked
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.model.service import ServiceDeclaration


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
