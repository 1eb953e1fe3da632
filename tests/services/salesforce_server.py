"""Salesforce's REST API as documented: OAuth2, SOQL by ``query`` and ``queryAll``, query locators, limits.

Traps to switch on: ``requests_left`` (a 403 when they are used up), ``locator_pages`` (a locator that dies),
``session_pages`` (a session that ends within a list, and its locators with it), batches smaller than asked for.
"""

import re

from vendor_server import Asked, BadRequest, Clock, Record, Server, basic, bearer, json_answer
from werkzeug import Request, Response

DATA = "/services/data/v60.0"
CLIENT_ID, CLIENT_SECRET = "connected-app", "app-secret"

_QUERY = re.compile(
    r"SELECT (?P<fields>[\w, ]+) FROM (?P<kind>\w+)(?: WHERE (?P<where>.+?))?(?: ORDER BY (?P<order>[\w, ]+))?"
)
_CONDITION = re.compile(r"SystemModstamp (>=|<) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


class Salesforce(Server):
    """One organisation. ``objects`` are the records by the name of their object; all fields are in each record."""

    def __init__(self, objects: dict[str, list[Record]], *, batch: int = 2000, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.objects = objects
        self.batch = batch
        self.requests_left: int | None = None
        self.session_pages: int | None = None
        self.locator_pages: int | None = None
        self.sessions: set[str] = set()
        self._logins = 0
        self._locators: dict[str, tuple[str, list[Record]]] = {}

    def refuses(self, request: Request) -> Response | None:
        if request.path == "/services/oauth2/token":
            return None
        if self.session_pages is not None and not request.path.endswith(("/query", "/queryAll")):
            self.session_pages -= 1
            if self.session_pages == 0:
                self.end_sessions()
        if bearer(request) not in self.sessions:
            return self._error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self.requests_left is not None:
            if self.requests_left == 0:
                return self._error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            self.requests_left -= 1
        return None

    def answer(self, asked: Asked, request: Request) -> Response:
        if asked.path == "/services/oauth2/token":
            return self._log_in(request)
        kind, _, locator = asked.path.removeprefix(f"{DATA}/").partition("/")
        if kind not in ("query", "queryAll"):
            return self._error(404, "NOT_FOUND", "The requested resource does not exist")
        try:
            if locator:
                return self._more(locator, bearer(request))
            return self._query(asked.params["q"], bearer(request), deleted_too=kind == "queryAll")
        except BadRequest as refused:
            return json_answer(refused.body, refused.status)

    def end_sessions(self) -> None:
        self.sessions.clear()

    def _log_in(self, request: Request) -> Response:
        form = request.form
        if form["grant_type"] != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        # In the form or in a header, as RFC 6749, 2.3.1 has it.
        given = basic(request) or f"{form.get('client_id')}:{form.get('client_secret')}"
        if given != f"{CLIENT_ID}:{CLIENT_SECRET}":
            return json_answer({"error": "invalid_client", "error_description": "invalid client credentials"}, 400)
        self._logins += 1
        token = f"session-{self._logins}"
        self.sessions.add(token)
        # A token tells no lifetime: it ends when the session does.
        return json_answer({"access_token": token, "token_type": "Bearer", "instance_url": request.host_url})

    def _query(self, soql: str, session: str, *, deleted_too: bool) -> Response:
        parsed = _QUERY.fullmatch(" ".join(soql.split()))
        if parsed is None:
            raise self._bad("MALFORMED_QUERY", f"unexpected token: '{soql[:20]}'")
        if parsed["kind"] not in self.objects:
            raise self._bad("INVALID_TYPE", f"sObject type '{parsed['kind']}' is not supported.")
        fields = [name.strip() for name in parsed["fields"].split(",")]
        order = [name.strip() for name in (parsed["order"] or "Id").split(",")]
        found = [dict(record) for record in self.objects[parsed["kind"]] if self._matches(record, parsed["where"])]
        found = [record for record in found if deleted_too or not record["IsDeleted"]]
        for name in [*fields, *order]:
            if any(name not in record for record in self.objects[parsed["kind"]]):
                raise self._bad("INVALID_FIELD", f"No such column '{name}' on entity '{parsed['kind']}'.")
        found.sort(key=lambda record: [record[name] for name in order])
        records = [{"attributes": {"type": parsed["kind"]}, **{name: r[name] for name in fields}} for r in found]
        return self._page(f"01g{len(self._locators):012d}", session, records, 0)

    def _matches(self, record: Record, where: str | None) -> bool:
        for condition in re.split(r"\s+AND\s+", where) if where else []:
            parsed = _CONDITION.fullmatch(condition)
            if parsed is None:
                raise self._bad("MALFORMED_QUERY", f"unexpected token: '{condition}'")
            stamp = record["SystemModstamp"][:19] + "Z"
            if not (stamp >= parsed[2] if parsed[1] == ">=" else stamp < parsed[2]):
                return False
        return True

    def _more(self, locator: str, session: str) -> Response:
        name, _, offset = locator.rpartition("-")
        owner, records = self._locators.get(name, ("", []))
        dead = self.locator_pages is not None and int(offset) >= self.locator_pages * self.batch
        if owner != session or dead:
            raise self._bad("INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(name, session, records, int(offset))

    def _page(self, locator: str, session: str, records: list[Record], offset: int) -> Response:
        end = offset + self.batch
        body: Record = {"totalSize": len(records), "done": end >= len(records), "records": records[offset:end]}
        if not body["done"]:
            self._locators[locator] = (session, records)
            # 'query' for queryAll too.
            body["nextRecordsUrl"] = f"{DATA}/query/{locator}-{end}"
        return json_answer(body)

    def _bad(self, code: str, message: str) -> BadRequest:
        return BadRequest([{"errorCode": code, "message": message}])

    def _error(self, status: int, code: str, message: str) -> Response:
        return json_answer([{"errorCode": code, "message": message}], status)
