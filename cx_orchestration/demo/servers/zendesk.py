"""Zendesk Support: cursor-based incremental exports of users and tickets.

An export has a beginning (``start_time``) and no end: whoever wants a day takes what follows and drops the rest.
"""

import base64

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cx_orchestration.demo.servers.vendor import (
    Environment,
    Shelf,
    Vendor,
    basic,
    json_response,
    new_token,
    same,
    whole_number,
)

_USER = "integration@shop.example/token"


class Zendesk:
    """One account; ``page_size`` is the most that a page holds."""

    def __init__(self, users: Shelf, tickets: Shelf, *, page_size: int = 1_000) -> None:
        self._users, self._tickets = users, tickets
        self._page_size = page_size
        self._token = new_token()

    def vendor(self) -> Vendor:
        """The account as a vendor to serve."""
        return Vendor(
            routes=[
                Route("/api/v2/incremental/users/cursor.json", self._export_users),
                Route("/api/v2/incremental/tickets/cursor.json", self._export_tickets),
            ],
            accepts=self._accepts,
            refusal={"error": "Couldn't authenticate you"},
            environment=Environment(CX_ZENDESK_USER=_USER, CX_ZENDESK_TOKEN=self._token),
        )

    def _accepts(self, request: Request) -> bool:
        user, token = basic(request) or ("", "")
        return same(user, _USER) and same(token, self._token)

    async def _export_users(self, request: Request) -> Response:
        return self._page(request, self._users, "users")

    async def _export_tickets(self, request: Request) -> Response:
        return self._page(request, self._tickets, "tickets")

    def _page(self, request: Request, shelf: Shelf, name: str) -> Response:
        try:
            per_page = whole_number(request, "per_page", self._page_size, lowest=1, highest=self._page_size)
            cursor = request.query_params.get("cursor")
            first = _position(cursor) if cursor else self._begin(request, shelf)
        except ValueError as error:
            return json_response({"error": "InvalidValue", "description": str(error)}, 422)
        last = min(first + per_page, len(shelf))
        follows = base64.urlsafe_b64encode(f"position {last}".encode()).decode()
        url = request.url.replace(query=f"cursor={follows}&per_page={per_page}")
        wants_metrics = "metric_sets" in request.query_params.get("include", "").split(",")
        records = [
            ready if name == "users" or wants_metrics else {k: v for k, v in record.items() if k != "metric_set"}
            for ready, record in zip(shelf.ready[first:last], shelf.records[first:last], strict=True)
        ]
        return json_response(
            {
                name: records,
                "after_cursor": follows,
                "after_url": str(url),
                "before_cursor": None,
                "before_url": None,
                "end_of_stream": last == len(shelf),
            }
        )

    def _begin(self, request: Request, shelf: Shelf) -> int:
        if "start_time" not in request.query_params:
            raise ValueError("start_time is required where there is no cursor")
        return shelf.between(whole_number(request, "start_time", 0) * 1_000_000, None)[0]


def _position(cursor: str) -> int:
    word, _, position = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
    if word != "position" or not position.isdecimal():
        raise ValueError("cursor is invalid")
    return int(position)
