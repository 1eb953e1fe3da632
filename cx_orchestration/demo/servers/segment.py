"""An export of raw events in the Segment spec, by the time they were received, in nested batches with a cursor."""

import base64

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cx_orchestration.demo.servers.vendor import (
    Environment,
    Shelf,
    Vendor,
    bearer,
    json_response,
    microseconds,
    new_token,
    same,
    whole_number,
)


class Segment:
    """One workspace; ``page_size`` is the most that a batch holds."""

    def __init__(self, events: Shelf, *, page_size: int = 1_000) -> None:
        self._events = events
        self._page_size = page_size
        self._token = new_token("sgp_")

    def vendor(self) -> Vendor:
        """The workspace as a vendor to serve."""
        return Vendor(
            routes=[Route("/v1/events", self._export)],
            accepts=lambda request: same(bearer(request), self._token),
            refusal={"errors": [{"type": "unauthorized", "message": "The token is not valid."}]},
            environment=Environment(CX_SEGMENT_TOKEN=self._token),
        )

    async def _export(self, request: Request) -> Response:
        try:
            start, end = (microseconds(request.query_params.get(bound, "")) for bound in ("start", "end"))
            limit = whole_number(request, "limit", self._page_size, lowest=1, highest=self._page_size)
            first, last = self._events.between(start, end)
            if cursor := request.query_params.get("cursor"):
                first = max(first, _position(cursor))
        except ValueError:
            return json_response(
                {"errors": [{"type": "bad-request", "message": "start, end, limit or cursor is missing or malformed"}]},
                400,
            )
        until = min(first + limit, last)
        more = until < last
        return json_response(
            {
                "data": {"batch": self._events.ready[first:until]},
                "pagination": {"next": _cursor(until) if more else None, "has_more": more},
            }
        )


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"at {position}".encode()).decode()


def _position(cursor: str) -> int:
    word, _, position = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
    if word != "at" or not position.isdecimal():
        raise ValueError("cursor")
    return int(position)
