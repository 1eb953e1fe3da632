"""Discourse: members for administrators and posts, by page number, always all of them."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cx_orchestration.demo.servers.vendor import (
    Environment,
    Shelf,
    Vendor,
    json_response,
    new_token,
    same,
    whole_number,
)

_USER = "system"


class Discourse:
    """One forum; e-mail addresses of members are shown only to who asks with ``show_emails=true``."""

    def __init__(self, users: Shelf, posts: Shelf, *, page_size: int = 100) -> None:
        self._users, self._posts = users, posts
        self._page_size = page_size
        self._key = new_token()

    def vendor(self) -> Vendor:
        """The forum as a vendor to serve."""
        return Vendor(
            routes=[
                Route("/admin/users/list/all.json", self._list_users),
                Route("/posts.json", self._list_posts),
            ],
            accepts=lambda request: (
                same(request.headers.get("api-key"), self._key) and same(request.headers.get("api-username"), _USER)
            ),
            refusal={
                "errors": ["You are not permitted to view the requested resource."],
                "error_type": "invalid_access",
            },
            environment=Environment(CX_DISCOURSE_KEY=self._key, CX_DISCOURSE_USER=_USER),
        )

    async def _list_users(self, request: Request) -> Response:
        try:
            chosen = _page(request, self._page_size)
        except ValueError as error:
            return json_response({"errors": [str(error)], "error_type": "invalid_parameters"}, 400)
        if request.query_params.get("show_emails") == "true":
            return json_response(self._users.ready[chosen])
        return json_response(
            [{name: value for name, value in user.items() if name != "email"} for user in self._users.records[chosen]]
        )

    async def _list_posts(self, request: Request) -> Response:
        try:
            chosen = _page(request, self._page_size)
        except ValueError as error:
            return json_response({"errors": [str(error)], "error_type": "invalid_parameters"}, 400)
        return json_response({"latest_posts": self._posts.ready[::-1][chosen]})


def _page(request: Request, size: int) -> slice:
    number = whole_number(request, "page", 1, lowest=1)
    return slice((number - 1) * size, number * size)
