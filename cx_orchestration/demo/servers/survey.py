"""The survey tool: responses within a window, pages by a ``Link`` header (RFC 8288)."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cx_orchestration.demo.servers.vendor import (
    Environment,
    Shelf,
    Vendor,
    json_response,
    microseconds,
    new_token,
    same,
    whole_number,
)


class Survey:
    """One account; ``page_size`` is the most that a page holds."""

    def __init__(self, responses: Shelf, *, page_size: int = 200) -> None:
        self._responses = responses
        self._page_size = page_size
        self._key = new_token()

    def vendor(self) -> Vendor:
        """The account as a vendor to serve."""
        return Vendor(
            routes=[Route("/api/v1/responses", self._list)],
            accepts=lambda request: same(request.headers.get("x-api-key"), self._key),
            refusal={"error": "unauthorized"},
            environment=Environment(CX_SURVEY_KEY=self._key),
        )

    async def _list(self, request: Request) -> Response:
        params = request.query_params
        try:
            window = [microseconds(params[bound]) if bound in params else None for bound in ("since", "until")]
            size = whole_number(request, "page_size", self._page_size, lowest=1, highest=self._page_size)
            number = whole_number(request, "page", 1, lowest=1)
        except ValueError as error:
            return json_response({"error": str(error)}, 400)
        first, last = self._responses.between(*window)
        begin = min(first + (number - 1) * size, last)
        until = min(begin + size, last)
        headers = {}
        if until < last:
            following = request.url.include_query_params(page=number + 1, page_size=size)
            headers["Link"] = f'<{following}>; rel="next"'
        return json_response({"data": self._responses.ready[begin:until], "total": last - first}, headers=headers)
