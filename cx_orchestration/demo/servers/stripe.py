"""Stripe: customers, charges and refunds, newest first, by ``starting_after`` and ``has_more``."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cx_orchestration.demo.servers.vendor import (
    Environment,
    Shelf,
    Vendor,
    bearer,
    json_response,
    new_token,
    same,
    whole_number,
)
from cx_orchestration.demo.services.writing import Record

_SECOND = 1_000_000
_PARAMETERS = {"limit", "starting_after", "created[gte]", "created[gt]", "created[lt]", "created[lte]", "expand[]"}


class Stripe:
    """One account with its collections by name (``customers``, ``charges``, ``refunds``); ``page_size`` is the most
    that a page holds."""

    def __init__(self, collections: dict[str, Shelf], *, page_size: int = 100) -> None:
        self._collections = collections
        self._page_size = page_size
        self._positions = {
            name: {record["id"]: position for position, record in enumerate(shelf.records)}
            for name, shelf in collections.items()
        }
        self._token = new_token("sk_test_")

    def vendor(self) -> Vendor:
        """The account as a vendor to serve."""
        return Vendor(
            routes=[Route("/v1/{collection}", self._list)],
            accepts=lambda request: same(bearer(request), self._token),
            refusal={"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}},
            environment=Environment(CX_STRIPE_TOKEN=self._token),
        )

    async def _list(self, request: Request) -> Response:
        name = request.path_params["collection"]
        if name not in self._collections:
            return _error(404, f"Unrecognized request URL (GET: /v1/{name}).")
        if unknown := sorted(set(request.query_params) - _PARAMETERS):
            return _error(400, f"Received unknown parameter: {unknown[0]}", code="parameter_unknown")
        shelf, expand = self._collections[name], request.query_params.getlist("expand[]")
        if expand and (name, expand) != ("refunds", ["data.charge"]):
            return _error(400, "This property cannot be expanded.")
        try:
            limit = whole_number(request, "limit", 10, lowest=1, highest=self._page_size)
            first, last = shelf.between(*_created(request))
        except ValueError as error:
            return _error(400, str(error))
        after = request.query_params.get("starting_after")
        if after is not None:
            if after not in self._positions[name]:
                return _error(400, f"No such {name.removesuffix('s')}", code="resource_missing")
            last = min(last, self._positions[name][after])
        begin = max(first, last - limit)
        page = range(last - 1, begin - 1, -1)
        return json_response(
            {
                "object": "list",
                "url": f"/v1/{name}",
                "has_more": begin > first,
                "data": [_shown(shelf, position, expanded=bool(expand)) for position in page],
            }
        )


def _shown(shelf: Shelf, position: int, *, expanded: bool) -> object:
    record: Record = shelf.records[position]
    if record["object"] == "refund" and not expanded:
        return {**record, "charge": record["charge"]["id"]}
    return shelf.ready[position]


def _created(request: Request) -> tuple[int | None, int | None]:
    def bound(comparison: str, add: int) -> int | None:
        name = f"created[{comparison}]"
        return (whole_number(request, name, 0) + add) * _SECOND if name in request.query_params else None

    lower = [instant for instant in (bound("gte", 0), bound("gt", 1)) if instant is not None]
    upper = [instant for instant in (bound("lt", 0), bound("lte", 1)) if instant is not None]
    return max(lower, default=None), min(upper, default=None)


def _error(status: int, message: str, *, code: str | None = None) -> Response:
    return json_response({"error": {"type": "invalid_request_error", "message": message, "code": code}}, status)
