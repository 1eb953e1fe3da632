"""Shopify's Admin API as documented: lists by Link header whose address takes no filters beside it, a bucket of forty
requests, pages of HTML from the proxy in front, and the same orders by GraphQL at a cost."""

import base64
import binascii
import datetime as dt
import re

import orjson
from vendor_server import Asked, BadRequest, Clock, Record, Server, json_answer
from werkzeug import Request, Response

TOKEN = "shpat_canary"
_VERSION = "/admin/api/2026-07/"
_DEFAULT_LIMIT, _MOST = 50, 250
_BUCKET, _LEAK = 40, 2.0
_POINTS, _RESTORED, _QUERY_COST = 2000.0, 100.0, 250
_TITLES = "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."


class Shopify(Server):
    """One shop. Records lie by their id, as lists do; ``bad_gateways`` answers of the proxy come before the next."""

    def __init__(
        self,
        *,
        orders: list[Record] | None = None,
        customers: list[Record] | None = None,
        checkouts: list[Record] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(clock)
        self.lists = {"orders": orders or [], "customers": customers or [], "checkouts": checkouts or []}
        self.bad_gateways = 0
        self.points = _POINTS
        self._level, self._leaked_at = 0.0, self.clock.epoch
        self._restored_at = self.clock.epoch

    def refuses(self, request: Request) -> Response | None:
        if request.headers.get("X-Shopify-Access-Token") != TOKEN:
            said = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return json_answer({"errors": said}, 401)
        if self.bad_gateways:
            self.bad_gateways -= 1
            return Response("<html><head><title>502 Bad Gateway</title></head></html>", 502, mimetype="text/html")
        if request.path.endswith("/graphql.json"):
            return None
        self._level = max(0.0, self._level - (self.clock.epoch - self._leaked_at) * _LEAK)
        self._leaked_at = self.clock.epoch
        if self._level + 1 > _BUCKET:
            return json_answer({"errors": _TITLES}, 429, {"Retry-After": "2.0"})
        self._level += 1
        return None

    def answer(self, asked: Asked, request: Request) -> Response:
        name = asked.path.removeprefix(_VERSION).removesuffix(".json")
        try:
            if name == "graphql" and asked.method == "POST":
                return self._graphql(asked)
            if name in self.lists and asked.path.endswith(".json"):
                return self._list(name, asked.params, request)
        except BadRequest as refused:
            return json_answer(refused.body, refused.status)
        return json_answer({"errors": "Not Found"}, 404)

    def _list(self, name: str, params: dict[str, str], request: Request) -> Response:
        limit = int(params.get("limit", _DEFAULT_LIMIT))
        if not 0 < limit <= _MOST:
            raise BadRequest({"errors": {"limit": "must be between 1 and 250"}})
        if "page_info" in params:
            for param in params.keys() - {"page_info", "limit", "fields"}:
                raise BadRequest({"errors": {param: f"{param} cannot be passed when page_info is present."}})
            filters, begin = _opened(params["page_info"])
        else:
            filters, begin = {key: params[key] for key in params.keys() - {"limit", "fields"}}, 0
        matching = [record for record in self.lists[name] if self._matches(name, record, filters)]
        headers = {"X-Shopify-Shop-Api-Call-Limit": f"{int(self._level)}/{_BUCKET}"}
        if begin + limit < len(matching):
            page_info = _sealed(filters, begin + limit)
            fields = f"&fields={params['fields']}" if "fields" in params else ""
            address = f"{request.base_url}?limit={limit}{fields}&page_info={page_info}"
            headers["Link"] = f'<{address}>; rel="next"'
        page = matching[begin : begin + limit]
        if "fields" in params:
            page = [{key: record[key] for key in params["fields"].split(",") if key in record} for record in page]
        return json_answer({name: page}, headers=headers)

    def _matches(self, name: str, record: Record, filters: dict[str, str]) -> bool:
        updated = dt.datetime.fromisoformat(record["updated_at"])
        if "updated_at_min" in filters and updated < _time(filters["updated_at_min"]):
            return False
        if "updated_at_max" in filters and updated > _time(filters["updated_at_max"]):
            return False
        if name == "orders" and filters.get("status", "open") == "open":
            return record["cancelled_at"] is None and record.get("closed_at") is None
        return True

    # --- GraphQL ----------------------------------------------------------------------------------------------------

    def _graphql(self, asked: Asked) -> Response:
        """Orders alone; nodes are the records as they lie here, whatever fields are asked for."""
        now = self.clock.epoch
        self.points = min(_POINTS, self.points + (now - self._restored_at) * _RESTORED)
        self._restored_at = now
        if self.points < _QUERY_COST:
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return json_answer({"errors": [error], "extensions": {"cost": self._cost(actual=None)}})
        self.points -= _QUERY_COST
        variables, query = asked.body["variables"], asked.body["query"]
        first = re.search(r"(orders|customers)\(first: (\d+), after: \$after, query: \$filter", query)
        bounds = re.fullmatch(r"updated_at:>='([^']+)' AND updated_at:<'([^']+)'", variables["filter"])
        if first is None or bounds is None:
            return json_answer({"errors": [{"message": "syntax error", "extensions": {"code": "undefinedField"}}]})
        matching = [
            node
            for node in self.lists[first[1]]
            if _time(bounds[1]) <= dt.datetime.fromisoformat(node["updatedAt"]) < _time(bounds[2])
        ]
        begin = 0 if variables["after"] is None else int(base64.b64decode(variables["after"]))
        end = begin + int(first[2])
        nodes = matching[begin:end]
        cursor = base64.b64encode(str(end).encode()).decode() if nodes else None
        page = {"nodes": nodes, "pageInfo": {"hasNextPage": end < len(matching), "endCursor": cursor}}
        return json_answer({"data": {first[1]: page}, "extensions": {"cost": self._cost(actual=_QUERY_COST)}})

    def _cost(self, *, actual: int | None) -> Record:
        status = {"maximumAvailable": _POINTS, "currentlyAvailable": self.points, "restoreRate": _RESTORED}
        return {"requestedQueryCost": _QUERY_COST, "actualQueryCost": actual, "throttleStatus": status}


def _sealed(filters: dict[str, str], begin: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([filters, begin])).decode()


def _opened(page_info: str) -> tuple[dict[str, str], int]:
    try:
        filters, begin = orjson.loads(base64.urlsafe_b64decode(page_info))
    except (binascii.Error, orjson.JSONDecodeError) as error:
        raise BadRequest({"errors": {"page_info": "Invalid value."}}) from error
    return filters, begin


def _time(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest({"errors": {"updated_at_min": "Invalid value."}}) from error
