"""Stripe's API as documented: lists newest first by ``created``, events for 30 days, limits an endpoint.

Traps to switch on: what is made while pages are read (``on_list``), the default of subscriptions, customers that are
deleted, versions that differ.
"""

from collections.abc import Callable

from vendor_server import Asked, BadRequest, Clock, Limit, Record, Server, bearer, json_answer
from werkzeug import Request, Response

KEY = "rk_test_canary"
VERSION = "2024-06-20"
_THIRTY_DAYS = 30 * 86400
_LISTS = ("customers", "charges", "refunds", "invoices", "subscriptions", "events")
_PAGING = {"limit", "starting_after", "created[gte]", "created[gt]", "created[lt]", "created[lte]"}


class Stripe(Server):
    """One account: records by the name of their list. A refund names its charge; expanded, it holds it."""

    def __init__(self, lists: dict[str, list[Record]], *, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.lists: dict[str, list[Record]] = {name: lists.get(name, []) for name in _LISTS}
        self.limits = {name: Limit(25, 1) for name in _LISTS}
        self.on_list: Callable[[str], None] = lambda name: None

    def refuses(self, request: Request) -> Response | None:
        if bearer(request) != KEY:
            return _error(401, "Invalid API Key provided")
        name = request.path.removeprefix("/v1/")
        if name in self.limits and self.limits[name].wait(self.clock.epoch) is not None:
            reason = {"Stripe-Rate-Limited-Reason": "endpoint-rate"}
            return _error(429, "Request rate limit exceeded.", "rate_limit", reason)
        return None

    def answer(self, asked: Asked, request: Request) -> Response:
        name = asked.path.removeprefix("/v1/")
        if name not in self.lists:
            return _error(404, f"Unrecognized request URL (GET: {asked.path}).")
        if request.headers.get("Stripe-Version") != VERSION:
            return _error(400, "this account has another version by default, and answers in another shape")
        try:
            answer = self._list(name, asked.params)
        except BadRequest as refused:
            return json_answer(refused.body, refused.status)
        self.on_list(name)
        return answer

    def _list(self, name: str, params: dict[str, str]) -> Response:
        allowed = _PAGING | {
            "subscriptions": {"status"},
            "refunds": {"expand[]", "expand[0]"},
            "events": {"type", *(f"types[{n}]" for n in range(20))},
        }.get(name, set())
        if unknown := sorted(set(params) - allowed):
            raise _bad(f"Received unknown parameter: {unknown[0]}", "parameter_unknown")
        limit = int(params.get("limit", 10))
        if not 1 <= limit <= 100:
            raise _bad("This value must be less than or equal to 100", "parameter_invalid_integer")
        records = sorted(self._kept(name, params), key=lambda record: (record["created"], record["id"]), reverse=True)
        after = params.get("starting_after")
        if after is not None:
            ids = [record["id"] for record in records]
            if after not in ids:
                raise _bad(f"No such {name.removesuffix('s')}: '{after}'", "resource_missing")
            records = records[ids.index(after) + 1 :]
        expanded = params.get("expand[]") == "data.charge"
        page = [self._shown(name, record, expanded=expanded) for record in records[:limit]]
        return json_answer({"object": "list", "url": f"/v1/{name}", "has_more": len(records) > limit, "data": page})

    def _kept(self, name: str, params: dict[str, str]) -> list[Record]:
        types = {value for key, value in params.items() if key == "type" or key.startswith("types[")}
        status = params.get("status")
        return [
            record
            for record in self.lists[name]
            if _within(record["created"], params)
            and (name != "events" or record["created"] >= self.clock.epoch - _THIRTY_DAYS)
            and (not types or record["type"] in types)
            and (name != "subscriptions" or status == "all" or record["status"] != "canceled")
        ]

    def _shown(self, name: str, record: Record, *, expanded: bool) -> Record:
        if name != "refunds" or not expanded:
            return record
        charge = next(each for each in self.lists["charges"] if each["id"] == record["charge"])
        return {**record, "charge": charge}


def _within(created: int, params: dict[str, str]) -> bool:
    return (
        created >= int(params.get("created[gte]", created))
        and created > int(params.get("created[gt]", created - 1))
        and created < int(params.get("created[lt]", created + 1))
        and created <= int(params.get("created[lte]", created))
    )


def _bad(message: str, code: str) -> BadRequest:
    return BadRequest({"error": {"type": "invalid_request_error", "message": message, "code": code}})


def _error(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> Response:
    return json_answer({"error": {"type": "invalid_request_error", "message": message, "code": code}}, status, headers)
