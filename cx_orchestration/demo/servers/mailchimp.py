"""Mailchimp Marketing 3.0: members of the list, and e-mail activity of a campaign, by ``count`` and ``offset``."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cx_orchestration.demo.servers.vendor import (
    Environment,
    Shelf,
    Vendor,
    basic,
    json_response,
    microseconds,
    new_token,
    same,
    whole_number,
)
from cx_orchestration.demo.services.mailchimp import LIST_ID, WELCOME_CAMPAIGN_ID

_USER = "integration"


class Mailchimp:
    """One account with one list and one campaign; ``page_size`` is the most that a page holds.

    The user name of its basic auth may be anything.
    """

    def __init__(self, members: Shelf, activity: Shelf, *, page_size: int = 1_000) -> None:
        self._members, self._activity = members, activity
        self._page_size = page_size
        self._key = new_token() + "-us21"

    def vendor(self) -> Vendor:
        """The account as a vendor to serve."""
        return Vendor(
            routes=[
                Route("/3.0/lists/{list_id}/members", self._list_members),
                Route("/3.0/reports/{campaign_id}/email-activity", self._list_activity),
            ],
            accepts=lambda request: same((basic(request) or ("", ""))[1], self._key),
            refusal=_problem(
                401, "API Key Invalid", "Your API key may be invalid, or you've attempted the wrong datacenter."
            ),
            environment=Environment(CX_MAILCHIMP_USER=_USER, CX_MAILCHIMP_KEY=self._key),
        )

    async def _list_members(self, request: Request) -> Response:
        if request.path_params["list_id"] != LIST_ID:
            return json_response(_problem(404, "Resource Not Found", "The requested resource could not be found."), 404)
        return self._page(request, self._members, "members", "since_last_changed", "before_last_changed")

    async def _list_activity(self, request: Request) -> Response:
        if request.path_params["campaign_id"] != WELCOME_CAMPAIGN_ID:
            return json_response(_problem(404, "Resource Not Found", "The requested resource could not be found."), 404)
        return self._page(request, self._activity, "emails", "since", None)

    def _page(self, request: Request, shelf: Shelf, name: str, since: str, before: str | None) -> Response:
        try:
            bounds = [
                microseconds(request.query_params[bound]) if bound and bound in request.query_params else None
                for bound in (since, before)
            ]
            count = whole_number(request, "count", 10, highest=self._page_size)
            offset = whole_number(request, "offset", 0)
        except ValueError as error:
            return json_response(_problem(400, "Invalid Resource", str(error)), 400)
        first, last = shelf.between(*bounds)
        page = shelf.ready[min(first + offset, last) : min(first + offset + count, last)]
        return json_response({name: page, "list_id": LIST_ID, "total_items": last - first})


def _problem(status: int, title: str, detail: str) -> dict[str, str | int]:
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}
