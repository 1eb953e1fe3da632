"""Faults that can be switched on, one a service: what real services do on a bad day.

Belongs here: the faults and how they look on the wire. Does not belong here: ordinary errors of a vendor's API.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: unavailable: 503. rate_limited: 429 with Retry-After. html: a login page with 200. truncated: the connection ends in
#: the middle of the body. broken_json: half of the body, as if it were all. unauthorized: every token is refused.
#: empty: no records at all.
FaultKind = Literal["unavailable", "rate_limited", "html", "truncated", "broken_json", "unauthorized", "empty"]


@dataclass(frozen=True)
class Fault:
    """A fault that begins after ``after`` good requests and lasts for ``times`` requests; ``None`` is for ever.

    ``empty`` lasts from the first request to the last.
    """

    kind: FaultKind
    after: int = 0
    times: int | None = None
    retry_after: int = 1

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read ``kind[:after[:times]]``, such as ``unavailable:10:3``; raises ``ValueError``."""
        kind, *numbers = text.split(":")
        if kind not in get_args(FaultKind) or len(numbers) > 2:
            raise ValueError(f"expected kind[:after[:times]] with a kind of {', '.join(get_args(FaultKind))}")
        return cls(kind, *map(int, numbers))  # type: ignore[arg-type]  # kind was looked up above


class FaultyApp:
    """A service that suffers from a fault."""

    def __init__(self, app: ASGIApp, fault: Fault) -> None:
        self._app, self._fault = app, fault
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._requests += 1
        begun = self._requests > self._fault.after
        over = self._fault.times is not None and self._requests > self._fault.after + self._fault.times
        if not begun or over:
            await self._app(scope, receive, send)
        elif self._fault.kind == "unavailable":
            await PlainTextResponse("Service Unavailable", 503)(scope, receive, send)
        elif self._fault.kind == "rate_limited":
            headers = {"Retry-After": str(self._fault.retry_after)}
            await PlainTextResponse("Too Many Requests", 429, headers)(scope, receive, send)
        elif self._fault.kind == "html":
            await HTMLResponse("<!doctype html><title>Sign in</title><p>Please sign in.")(scope, receive, send)
        elif self._fault.kind in ("truncated", "broken_json"):
            await self._app(scope, receive, _half(send, honest_length=self._fault.kind == "broken_json"))
        else:
            await self._app(scope, receive, send)


def _half(send: Send, *, honest_length: bool) -> Send:
    """Send the first half of a body, under its own length or, with the connection closed then, that of the whole."""
    start: list[Message] = []

    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
            return
        body = message.get("body", b"")
        half = body[: len(body) // 2]
        length = len(half) if honest_length else len(body)
        kept = [header for header in start[0]["headers"] if header[0].lower() != b"content-length"]
        await send({**start[0], "headers": [*kept, (b"content-length", str(length).encode())]})
        await send({"type": "http.response.body", "body": half, "more_body": not honest_length})

    return send_half
