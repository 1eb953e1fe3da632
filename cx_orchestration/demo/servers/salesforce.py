"""Salesforce REST: a token by client credentials, SOQL queries on one object, pages by ``nextRecordsUrl``.

The SOQL understood is what a sync needs: named fields of one object, comparisons of ``SystemModstamp`` joined by AND,
ORDER BY and LIMIT. Anything else is refused as malformed, as Salesforce refuses what it does not know.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_plus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cx_orchestration.demo.servers.vendor import (
    Environment,
    Shelf,
    Vendor,
    basic,
    bearer,
    json_response,
    microseconds,
    new_token,
    same,
)
from cx_orchestration.demo.services.writing import Record

VERSION = "v60.0"
_TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  # a path
_REMEMBERED_QUERIES = 200

_QUERY = re.compile(
    r"\s*SELECT\s+(?P<fields>[\w\s,]+?)\s+FROM\s+(?P<object>\w+)"
    r"(?:\s+WHERE\s+(?P<where>.+?))?(?:\s+ORDER\s+BY\s+(?P<order>[\w\s,]+?))?(?:\s+LIMIT\s+(?P<limit>\d+))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"\s*SystemModstamp\s*(>=|<=|>|<|=)\s*(\S+)\s*", re.IGNORECASE)


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.body = [{"message": message, "errorCode": code}]


@dataclass(frozen=True)
class _Result:
    """What a query found: positions on the shelf of its object, and the fields asked for."""

    kind: str
    fields: list[str]
    positions: list[int]


class Salesforce:
    """One org with its objects by name (``Contact``, ``Lead``); ``page_size`` records go on a page."""

    def __init__(self, objects: dict[str, Shelf], *, page_size: int = 2_000) -> None:
        self._objects = {name.lower(): (name, shelf) for name, shelf in objects.items()}
        self._page_size = page_size
        self._client_id, self._client_secret = new_token("3MVG9"), new_token()
        self._tokens: set[str] = set()
        self._results: OrderedDict[str, _Result] = OrderedDict()
        self._queries = 0

    def vendor(self) -> Vendor:
        """The org as a vendor to serve."""
        base = f"/services/data/{VERSION}/query"
        return Vendor(
            routes=[
                Route(_TOKEN_PATH, self._token, methods=["POST"]),
                Route(base, self._query),
                Route(base + "/{locator}", self._more),
            ],
            accepts=lambda request: bearer(request) in self._tokens,
            refusal=[{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
            environment=Environment(
                CX_SALESFORCE_CLIENT_ID=self._client_id, CX_SALESFORCE_CLIENT_SECRET=self._client_secret
            ),
            open_paths=frozenset({_TOKEN_PATH}),
        )

    async def _token(self, request: Request) -> Response:
        form = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}
        named = basic(request)
        client, secret = (
            map(unquote_plus, named) if named else (form.get("client_id", ""), form.get("client_secret", ""))
        )
        if form.get("grant_type") != "client_credentials":
            return json_response(
                {"error": "unsupported_grant_type", "error_description": "grant type not supported"}, 400
            )
        if not (same(client, self._client_id) and same(secret, self._client_secret)):
            return json_response({"error": "invalid_client", "error_description": "invalid client credentials"}, 401)
        token = new_token("00D")
        self._tokens.add(token)
        instance = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
        return json_response({"access_token": token, "token_type": "Bearer", "instance_url": instance})

    async def _query(self, request: Request) -> Response:
        try:
            result = self._found(request.query_params.get("q", ""))
        except _Refused as refused:
            return json_response(refused.body, 400)
        self._queries += 1
        locator = f"01g{self._queries:012d}"
        self._results[locator] = result
        if len(self._results) > _REMEMBERED_QUERIES:
            self._results.popitem(last=False)
        return self._page(request, locator, 0)

    async def _more(self, request: Request) -> Response:
        locator, _, offset = request.path_params["locator"].partition("-")
        if locator not in self._results or not offset.isdecimal():
            return json_response([{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}], 400)
        return self._page(request, locator, int(offset))

    def _page(self, request: Request, locator: str, offset: int) -> Response:
        result = self._results[locator]
        end = offset + self._page_size
        done = end >= len(result.positions)
        shelf = self._objects[result.kind][1]
        names = ["attributes", *result.fields]
        body: Record = {
            "totalSize": len(result.positions),
            "done": done,
            "records": [
                {name: shelf.records[position][name] for name in names} for position in result.positions[offset:end]
            ],
        }
        if not done:
            root = request.scope.get("root_path", "")
            body["nextRecordsUrl"] = f"{root}/services/data/{VERSION}/query/{locator}-{end}"
        return json_response(body)

    def _found(self, soql: str) -> _Result:
        parsed = _QUERY.fullmatch(soql)
        if parsed is None:
            raise _Refused("MALFORMED_QUERY", "expected SELECT fields FROM object [WHERE ...] [ORDER BY ...] [LIMIT n]")
        kind = parsed["object"].lower()
        if kind not in self._objects:
            raise _Refused("INVALID_TYPE", f"sObject type '{parsed['object']}' is not supported.")
        shelf = self._objects[kind][1]
        known = shelf.records[0].keys() if shelf.records else None
        fields = [name.strip() for name in parsed["fields"].split(",")]
        order = [part.split() for part in (parsed["order"] or "SystemModstamp").split(",")]
        for name in (*fields, *(part[0] for part in order if part)):
            if known is not None and (name not in known or name == "attributes"):
                raise _Refused("INVALID_FIELD", f"No such column '{name}' on entity '{parsed['object']}'.")
        first, last = shelf.between(*_window(parsed["where"]))
        positions = list(range(first, last))
        for name, *direction in reversed(order):
            positions.sort(
                key=lambda position: (shelf.records[position][name] is not None, shelf.records[position][name] or ""),
                reverse=_descends(direction),
            )
        return _Result(kind, fields, positions[: int(parsed["limit"])] if parsed["limit"] else positions)


def _descends(direction: list[str]) -> bool:
    word = " ".join(direction).upper()
    if word not in ("", "ASC", "DESC"):
        raise _Refused("MALFORMED_QUERY", f"unexpected token: '{word}'")
    return word == "DESC"


def _window(where: str | None) -> tuple[int | None, int | None]:
    """The half-open range of microseconds that a WHERE leaves; times are kept in milliseconds."""
    start: int | None = None
    end: int | None = None
    for condition in re.split(r"\s+AND\s+", where, flags=re.IGNORECASE) if where else []:
        parsed = _CONDITION.fullmatch(condition)
        if parsed is None:
            raise _Refused("MALFORMED_QUERY", "only comparisons of SystemModstamp, joined by AND, are supported")
        try:
            instant = microseconds(parsed[2])
        except ValueError as error:
            raise _Refused("INVALID_QUERY_FILTER_OPERATOR", f"invalid date time: '{parsed[2]}'") from error
        after = instant // 1_000 * 1_000 + 1_000
        if parsed[1] in (">=", "=", ">"):
            lower = after if parsed[1] == ">" else instant
            start = lower if start is None else max(start, lower)
        if parsed[1] in ("<=", "=", "<"):
            upper = instant if parsed[1] == "<" else after
            end = upper if end is None else min(end, upper)
    return start, end
