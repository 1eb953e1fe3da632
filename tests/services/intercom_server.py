"""Intercom's REST API as documented: search by POST and by day, cursors, limits in windows of ten seconds, merges.

Traps to switch on: ``conversations_by_day`` (conversations are searched by day as contacts are), ``indexed_on``
(a contact found under the neighbouring day), ``merge``.
"""

import base64
import datetime as dt
import math
import time
from typing import Any

from vendor_server import Asked, BadRequest, Clock, Record, Server, bearer, json_answer
from werkzeug import Request, Response

TOKEN = "canary-token"
_DAY = 86400
_WINDOW = 10


class Intercom(Server):
    """One workspace. Contacts are searched by the day of their times, conversations by the second."""

    def __init__(
        self,
        *,
        contacts: list[Record] | None = None,
        conversations: list[Record] | None = None,
        limit: int = 167,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(clock)
        self.contacts, self.conversations = contacts or [], conversations or []
        self.limit = limit
        self.conversations_by_day = False
        self.indexed_on: dict[str, dt.date] = {}
        self._window, self._count = 0, 0

    def merge(self, lead: str, into: str, when: dt.datetime) -> None:
        """The lead is found nowhere any more; the contact that it became part of has changed."""
        self.contacts = [contact for contact in self.contacts if contact["id"] != lead]
        for contact in self.contacts:
            if contact["id"] == into:
                contact["updated_at"] = int(when.timestamp())

    def refuses(self, request: Request) -> Response | None:
        if bearer(request) != TOKEN:
            return _error(401, "unauthorized", "Access Token Invalid")
        now = self.clock.epoch
        window = math.floor(now / _WINDOW)
        self._window, self._count = window, self._count + 1 if window == self._window else 1
        if self._count <= self.limit:
            return None
        # The web server's Date is the real one; the instant named lies as far from it as the next window does from now.
        reset = math.ceil(time.time() + (window + 1) * _WINDOW - now)
        headers = {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
        return _error(429, "rate_limit_exceeded", f"Exceeded rate limit of {self.limit} in 10_seconds", headers)

    def answer(self, asked: Asked, request: Request) -> Response:
        if request.headers.get("Intercom-Version") != "2.11":
            return json_answer({"type": "error.list", "errors": [{"code": "intercom_version_invalid"}]}, 400)
        try:
            match asked.method, asked.path.strip("/").split("/"):
                case "POST", ["contacts", "search"]:
                    return self._search("list", "data", self.contacts, asked.body, by_day=True)
                case "POST", ["conversations", "search"]:
                    by_day = self.conversations_by_day
                    return self._search("conversation.list", "conversations", self._listed(), asked.body, by_day=by_day)
                case "GET", ["contacts"]:
                    return self._page("list", "data", self.contacts, asked.params)
                case "GET", ["conversations", conversation]:
                    return self._conversation(conversation)
        except BadRequest as refused:
            return json_answer(refused.body, refused.status)
        return _error(404, "not_found", "Resource Not Found")

    def _listed(self) -> list[Record]:
        """Conversations as a search shows them: without their parts."""
        return [{k: v for k, v in each.items() if k != "conversation_parts"} for each in self.conversations]

    def _search(self, kind: str, key: str, records: list[Record], body: Record, *, by_day: bool) -> Response:
        query = body["query"]
        conditions = query["value"] if query["operator"] in ("AND", "OR") else [query]
        if query["operator"] != "AND" or len(conditions) > 15:
            raise _bad("invalid_query", "one list of at most 15 conditions joined by AND")
        found = [record for record in records if all(self._fits(record, each, by_day) for each in conditions)]
        return self._page(kind, key, found, body.get("pagination", {}))

    def _fits(self, record: Record, condition: Record, by_day: bool) -> bool:
        if condition["field"] not in ("updated_at", "created_at"):
            raise _bad("invalid_field", f"{condition['field']} is not a valid field")
        try:
            bound = int(condition["value"])
        except (TypeError, ValueError) as error:
            raise _bad("invalid_value", "value must be a timestamp in seconds") from error
        value = record[condition["field"]]
        if by_day:
            value, bound = value // _DAY, bound // _DAY
            day = self.indexed_on.get(record["id"])
            value = value if day is None else (day - dt.date(1970, 1, 1)).days
        match condition["operator"]:
            case ">":
                return bool(value > bound)
            case "<":
                return bool(value < bound)
            case "=":
                return bool(value == bound)
        raise _bad("invalid_operator", f"{condition['field']} does not support operator: {condition['operator']}")

    def _page(self, kind: str, key: str, records: list[Record], paging: dict[str, Any]) -> Response:
        size = int(paging.get("per_page", 50))
        if size > 150:
            raise _bad("parameter_invalid", "per_page is too big")
        records = sorted(records, key=lambda record: (-record["updated_at"], record["id"]))
        if "starting_after" in paging:
            time, _, last = base64.b64decode(paging["starting_after"]).decode().partition("|")
            left = [each for each in records if (-each["updated_at"], each["id"]) > (-int(time), last)]
        else:
            left = records
        page = left[:size]
        pages: Record = {"type": "pages", "per_page": size, "total_pages": math.ceil(len(records) / size)}
        if len(left) > size:
            cursor = base64.b64encode(f"{page[-1]['updated_at']}|{page[-1]['id']}".encode()).decode()
            pages["next"] = {"page": 2, "starting_after": cursor}
        return json_answer({"type": kind, key: page, "total_count": len(records), "pages": pages})

    def _conversation(self, number: str) -> Response:
        for conversation in self.conversations:
            if conversation["id"] == number:
                return json_answer(conversation)
        return _error(404, "not_found", "Resource Not Found")


def _bad(code: str, message: str) -> BadRequest:
    return BadRequest({"type": "error.list", "request_id": None, "errors": [{"code": code, "message": message}]})


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    body = {"type": "error.list", "request_id": "req", "errors": [{"code": code, "message": message}]}
    return json_answer(body, status, headers)
