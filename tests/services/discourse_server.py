"""Discourse as its controllers answer: members by page from 1, topics by page from 0 with pinned ones on top, posts by
fifty before an id, sixty requests a minute for a key."""

import math

from vendor_server import Asked, Clock, Limit, Record, Server, json_answer
from werkzeug import Request, Response

KEY, USER = "canary-key", "system"
_USERS, _TOPICS, _POSTS = 100, 30, 50
_PER_MINUTE = 60


class Discourse(Server):
    """One community. Posts that were deleted are left out of ``posts`` by whoever deletes them."""

    def __init__(
        self,
        *,
        users: list[Record] | None = None,
        topics: list[Record] | None = None,
        posts: list[Record] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(clock)
        self.users, self.topics, self.posts = users or [], topics or [], posts or []
        self.limit = Limit(_PER_MINUTE, 60)

    def refuses(self, request: Request) -> Response | None:
        if request.headers.get("Api-Key") != KEY or request.headers.get("Api-Username") != USER:
            refusal = {"errors": ["You are not permitted to view the requested resource."]}
            return json_answer({**refusal, "error_type": "invalid_access"}, 403)
        wait = self.limit.wait(self.clock.epoch)
        if wait is None:
            return None
        seconds = math.ceil(wait)
        body = {
            "errors": [f"You've performed this action too many times. Please wait {seconds} seconds."],
            "error_type": "rate_limit",
            "extras": {"wait_seconds": seconds},
        }
        return json_answer(body, 429, {"Retry-After": str(seconds)})

    def answer(self, asked: Asked, request: Request) -> Response:
        match asked.path:
            case "/admin/users/list/new.json":
                return json_answer(self._users(asked.params))
            case "/latest.json":
                return json_answer(self._topics(asked.params))
            case "/posts.json":
                return json_answer({"latest_posts": self._posts(_number(asked.params, "before"))})
        return json_answer({"errors": ["The requested URL or resource could not be found."]}, 404)

    def _users(self, params: dict[str, str]) -> list[Record]:
        by = "created_at" if params.get("order", "created") == "created" else params["order"]
        known = sorted(self.users, key=lambda user: (user[by], user["username"]), reverse="asc" not in params)
        begin = max(_number(params, "page") - 1, 0) * _USERS
        page = known[begin : begin + _USERS]
        if params.get("show_emails") != "true":
            return [{key: value for key, value in user.items() if key != "email"} for user in page]
        return page

    def _topics(self, params: dict[str, str]) -> Record:
        newest_first = sorted(self.topics, key=lambda topic: topic["bumped_at"], reverse=True)
        if "order" not in params:
            newest_first.sort(key=lambda topic: not topic["pinned"])
        page = _number(params, "page")
        shown = newest_first[page * _TOPICS : (page + 1) * _TOPICS]
        body: Record = {"topics": shown, "per_page": _TOPICS}
        if (page + 1) * _TOPICS < len(newest_first):
            body["more_topics_url"] = f"/latest?page={page + 1}"
        return {"users": [], "topic_list": body}

    def _posts(self, before: int) -> list[Record]:
        newest_first = sorted(self.posts, key=lambda post: -post["id"])
        return [post for post in newest_first if before <= 0 or post["id"] < before][:_POSTS]


def _number(params: dict[str, str], name: str) -> int:
    """As Ruby reads it: what is no number is 0."""
    text = params.get(name, "0")
    return int(text) if text.isdecimal() else 0
