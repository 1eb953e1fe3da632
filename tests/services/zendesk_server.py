"""Zendesk Support's API as documented: incremental exports by cursor, comments, satisfaction ratings, limits.

An export begins at a time, goes by ``generated_timestamp``, leaves out the last minute, and allows ten requests a
minute. Deleted tickets stay in it; their comments do not.
"""

import base64
import binascii
import math

from vendor_server import Asked, BadRequest, Clock, Limit, Record, Server, basic, json_answer
from werkzeug import Request, Response

USER, TOKEN = "agent@shop.example/token", "canary-token"
_MINUTE = 60
_SCORES = ("good", "bad", "offered", "unoffered")


class Zendesk(Server):
    """One account. Tickets and users have the ``generated_timestamp`` that the export goes by; of users it is not
    shown. ``comments`` are by the id of their ticket."""

    def __init__(
        self,
        *,
        tickets: list[Record] | None = None,
        users: list[Record] | None = None,
        comments: dict[int, list[Record]] | None = None,
        ratings: list[Record] | None = None,
        page_size: int = 1000,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(clock)
        self.tickets, self.users = tickets or [], users or []
        self.comments, self.ratings = comments or {}, ratings or []
        self.page_size = page_size
        self.export_limit = Limit(10, _MINUTE)
        self.plan_limit = Limit(200, _MINUTE)

    def refuses(self, request: Request) -> Response | None:
        if basic(request) != f"{USER}:{TOKEN}":
            return json_answer({"error": "Couldn't authenticate you"}, 401)
        exports = request.path.startswith("/api/v2/incremental/")
        limit = self.export_limit if exports else self.plan_limit
        wait = limit.wait(self.clock.epoch)
        if wait is None:
            return None
        body = {"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"}
        return json_answer(body, 429, {"Retry-After": str(math.ceil(wait))})

    def answer(self, asked: Asked, request: Request) -> Response:
        try:
            match asked.path.removeprefix("/api/v2/").removesuffix(".json").split("/"):
                case ["incremental", "tickets", "cursor"]:
                    return self._export("tickets", self.tickets, asked.params)
                case ["incremental", "users", "cursor"]:
                    return self._export("users", self.users, asked.params)
                case ["tickets", ticket, "comments"]:
                    return self._comments(int(ticket), asked.params)
                case ["satisfaction_ratings"]:
                    return self._ratings(asked.params)
        except BadRequest as refused:
            return json_answer(refused.body, refused.status)
        return json_answer({"error": "InvalidEndpoint", "description": "Not found"}, 404)

    def _export(self, name: str, records: list[Record], params: dict[str, str]) -> Response:
        size = min(int(params.get("per_page", 1000)), self.page_size)
        known = sorted(records, key=lambda record: (record["generated_timestamp"], record["id"]))
        known = [record for record in known if record["generated_timestamp"] <= self.clock.epoch - _MINUTE]
        key = self._cursor(params["cursor"]) if "cursor" in params else (self._start(params), 0)
        left = [record for record in known if (record["generated_timestamp"], record["id"]) >= key]
        page = left[:size]
        follows = f"{page[-1]['generated_timestamp']}|{page[-1]['id'] + 1}" if page else f"{key[0]}|{key[1]}"
        cursor = base64.b64encode(follows.encode()).decode()
        shown = [self._shown(name, record, params) for record in page]
        url = f"/api/v2/incremental/{name}/cursor.json?cursor={cursor}"
        body = {"after_cursor": cursor, "after_url": url, "before_cursor": None, "before_url": None}
        return json_answer({name: shown, **body, "end_of_stream": len(left) <= size})

    def _shown(self, name: str, record: Record, params: dict[str, str]) -> Record:
        if name == "users":
            return {key: value for key, value in record.items() if key != "generated_timestamp"}
        if "metric_sets" not in params.get("include", ""):
            return {key: value for key, value in record.items() if key != "metric_set"}
        return record

    def _start(self, params: dict[str, str]) -> int:
        if not params.get("start_time", "").isdecimal():
            raise BadRequest({"error": "InvalidValue", "description": "start_time is required"}, 422)
        if int(params["start_time"]) > self.clock.epoch - _MINUTE:
            raise BadRequest({"error": "StartTimeTooRecent", "description": "Too recent start_time."})
        return int(params["start_time"])

    def _cursor(self, cursor: str) -> tuple[int, int]:
        try:
            time, _, number = base64.b64decode(cursor, validate=True).decode().partition("|")
        except binascii.Error as error:
            raise BadRequest({"error": "InvalidValue", "description": "cursor is invalid"}, 422) from error
        return int(time), int(number)

    def _comments(self, ticket: int, params: dict[str, str]) -> Response:
        if not any(each["id"] == ticket and each["status"] != "deleted" for each in self.tickets):
            raise BadRequest({"error": "RecordNotFound", "description": "Not found"}, 404)
        return self._by_cursor("comments", self.comments.get(ticket, []), params)

    def _ratings(self, params: dict[str, str]) -> Response:
        start, end = int(params.get("start_time", 0)), int(params.get("end_time", self.clock.epoch))
        scores = {"received": ("good", "bad"), **{each: (each,) for each in _SCORES}}
        if params.get("score", "received") not in scores:
            raise BadRequest({"error": "InvalidValue", "description": "score is invalid"})
        wanted = scores[params["score"]] if "score" in params else _SCORES
        received = [
            rating
            for rating in self.ratings
            if rating["score"] in wanted and start <= rating["generated_timestamp"] <= end
        ]
        return self._by_cursor("satisfaction_ratings", received, params)

    def _by_cursor(self, name: str, records: list[Record], params: dict[str, str]) -> Response:
        size = int(params.get("page[size]", 100))
        if size > 100:
            raise BadRequest({"error": "InvalidPaginationParameter", "description": "page[size] is at most 100"})
        begin = int(params.get("page[after]", 0))
        page = [{k: v for k, v in each.items() if k != "generated_timestamp"} for each in records[begin : begin + size]]
        more = begin + size < len(records)
        after = str(begin + size) if page else None
        meta = {"has_more": more, "after_cursor": after, "before_cursor": None}
        return json_answer({name: page, "meta": meta, "links": {"next": "?" if more else None, "prev": None}})
