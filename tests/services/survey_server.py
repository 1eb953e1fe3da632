"""A survey tool: responses by page number, both bounds included, a page past the last one is 404."""

import datetime as dt

from vendor_server import Asked, BadRequest, Clock, Record, Server, bearer, json_answer
from werkzeug import Request, Response

TOKEN = "canary-token"
_MOST = 100


class SurveyTool(Server):
    """One account."""

    def __init__(self, responses: list[Record], *, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.responses = responses

    def refuses(self, request: Request) -> Response | None:
        return None if bearer(request) == TOKEN else json_answer({"message": "Unauthorized"}, 401)

    def answer(self, asked: Asked, request: Request) -> Response:
        if asked.path != "/v1/responses":
            return json_answer({"message": "Not found"}, 404)
        try:
            return self._page(asked.params)
        except BadRequest as refused:
            return json_answer(refused.body, refused.status)

    def _page(self, params: dict[str, str]) -> Response:
        size, page = int(params.get("per_page", 20)), int(params.get("page", 1))
        if not 0 < size <= _MOST or params.get("sort", "modified_at") != "modified_at":
            raise BadRequest({"message": "Bad parameters"})
        start, end = _time(params["modified_since"]), _time(params["modified_before"])
        shown = sorted(self.responses, key=lambda response: (response["modified_at"], response["id"]))
        shown = [response for response in shown if start <= _time(response["modified_at"]) <= end]
        pages = max(1, -(-len(shown) // size))
        if page > pages:
            raise BadRequest({"message": "No such page"}, 404)
        records = shown[(page - 1) * size : page * size]
        return json_answer({"page": page, "total_pages": pages, "responses": records})


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
