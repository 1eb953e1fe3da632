"""A billing service whose load is replayed on a clock of the test's own."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from integration_fakes import service_for, stream_for

from cx_orchestration.integration.loadtest.gate import declaration_digest
from cx_orchestration.integration.loadtest.local_service import Answer, Answers, Asked
from cx_orchestration.integration.loadtest.rehearsal import Material, rehearse
from cx_orchestration.integration.loadtest.schedule import Stopwatch
from cx_orchestration.integration.loadtest.templates import templates_of
from cx_orchestration.integration.loadtest.verdict import Load, Verdict
from cx_orchestration.model.service import ServiceDeclaration, Stream
from cx_orchestration.storage.engine import Engine

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
