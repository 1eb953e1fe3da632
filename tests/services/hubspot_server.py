"""HubSpot's CRM API as documented: search by POST with its caps, archived records, associations, limits by name.

Traps to switch on: ``seconds_to_index`` (a change takes a moment to be found), ``daily`` (a budget of requests),
``on_search`` (what happens between two pages).
"""

import datetime as dt
from collections.abc import Callable

from vendor_server import Asked, BadRequest, Clock, Limit, Record, Server, bearer, json_answer
from werkzeug import Request, Response

TOKEN = "pat-eu1-canary"
OBJECTS = "/crm/objects/2026-03/"
_MOST_RESULTS = 10_000

_KNOWN = {
    "contacts": {
        *("email", "phone", "firstname", "lastname", "address", "zip", "city", "country", "lifecyclestage"),
        *("hs_analytics_source", "createdate", "lastmodifieddate", "hs_object_id"),
    },
    "deals": {
        *("dealname", "pipeline", "dealstage", "amount", "deal_currency_code", "hs_is_closed_won", "closedate"),
        *("hs_is_closed_lost", "createdate", "hs_lastmodifieddate", "hs_object_id"),
    },
    "tickets": {
        *("hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "source_type", "createdate", "closed_date"),
        *("hs_lastmodifieddate", "hs_object_id"),
    },
}


class HubSpot(Server):
    """One account. ``objects`` are records by kind, as ``hubspot_record`` makes them; ``contacts_of`` names the
    contacts of deals and tickets by their id."""

    def __init__(self, objects: dict[str, list[Record]], *, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.objects = objects
        self.contacts_of: dict[str, list[int]] = {}
        self.search_limit = Limit(5, 1)
        self.other_limit = Limit(100, 10)
        self.daily: int | None = None
        self.seconds_to_index = 0
        self.most_results = _MOST_RESULTS
        self.on_search: Callable[[int], None] = lambda number: None
        self._searches = 0

    def refuses(self, request: Request) -> Response | None:
        if bearer(request) != TOKEN:
            return _error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
        if self.daily is not None:
            if self.daily == 0:
                return _limited("You have reached your daily limit.", "DAILY")
            self.daily -= 1
        if request.path.endswith("/search"):
            if self.search_limit.wait(self.clock.epoch) is not None:
                return _limited("You have reached your secondly limit.", None)
        elif self.other_limit.wait(self.clock.epoch) is not None:
            return _limited("You have reached your ten_secondly_rolling limit.", "TEN_SECONDLY_ROLLING")
        return None

    def answer(self, asked: Asked, request: Request) -> Response:
        kind, *rest = asked.path.removeprefix(OBJECTS).split("/")
        try:
            if kind not in self.objects:
                return _error(404, "OBJECT_NOT_FOUND", f"Unable to infer object type from: {kind}")
            if (asked.method, rest) == ("POST", ["search"]):
                self._searches += 1
                self.on_search(self._searches)
                return self._search(kind, asked.body)
            if not rest:
                return self._list(kind, asked.params)
            return self._associations(kind, rest[0], asked.params)
        except BadRequest as refused:
            return json_answer(refused.body, refused.status)

    def _search(self, kind: str, body: Record) -> Response:
        limit, after = int(body.get("limit", 10)), int(body.get("after", 0))
        filters = [each for group in body["filterGroups"] for each in group["filters"]]
        if limit > 200:
            raise _bad("limit must be at most 200")
        if len(body["filterGroups"]) > 1 or len(filters) > 6:
            raise _bad("too many filters in one group")
        if len(body.get("sorts", [])) > 1:
            raise _bad("only one sort is supported")
        if after + limit > self.most_results:
            raise _bad("paging past 10,000 results is not supported")
        named = {each["propertyName"] for each in [*filters, *body.get("sorts", [])]} | set(body["properties"])
        if unknown := sorted(named - _KNOWN[kind]):
            raise _bad(f"There was a problem with the request: property {unknown[0]} does not exist")
        indexed = self.clock.now - dt.timedelta(seconds=self.seconds_to_index)
        found = [
            record
            for record in self.objects[kind]
            if not record["archived"] and _changed(record) <= indexed and all(_fits(record, each) for each in filters)
        ]
        for sort in body.get("sorts", []):
            found.sort(
                key=lambda record: _comparable(record, sort["propertyName"]), reverse=sort["direction"] == "DESCENDING"
            )
        page = [_shown(record, body["properties"]) for record in found[after : after + limit]]
        answer: Record = {"total": len(found), "results": page}
        if after + limit < len(found):
            answer["paging"] = {"next": {"after": str(after + limit), "link": "?after="}}
        return json_answer(answer)

    def _list(self, kind: str, params: dict[str, str]) -> Response:
        limit, after = int(params.get("limit", 10)), int(params.get("after", 0))
        if limit > 100:
            raise _bad("limit must be at most 100")
        archived = params.get("archived", "false") == "true"
        found = [r for r in self.objects[kind] if r["archived"] == archived and int(r["id"]) >= after]
        found.sort(key=lambda record: int(record["id"]))
        answer: Record = {"results": [_shown(record, []) for record in found[:limit]]}
        if len(found) > limit:
            answer["paging"] = {"next": {"after": found[limit]["id"], "link": "?after="}}
        return json_answer(answer)

    def _associations(self, kind: str, record_id: str, params: dict[str, str]) -> Response:
        if not any(record["id"] == record_id and not record["archived"] for record in self.objects[kind]):
            return _error(404, "OBJECT_NOT_FOUND", "resource not found")
        limit, after = int(params.get("limit", 500)), int(params.get("after", 0))
        if limit > 500:
            raise _bad("limit must be at most 500")
        contacts = self.contacts_of.get(record_id, [])
        label = {"category": "HUBSPOT_DEFINED", "typeId": 3, "label": None}
        page = [{"toObjectId": each, "associationTypes": [label]} for each in contacts[after : after + limit]]
        answer: Record = {"results": page}
        if after + limit < len(contacts):
            answer["paging"] = {"next": {"after": str(after + limit)}}
        return json_answer(answer)


def hubspot_record(
    kind: str, record_id: int, changed: dt.datetime, *, archived_at: dt.datetime | None = None, **properties: str | None
) -> Record:
    """A record of which a deletion does not move the last change."""
    modified = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
    known: Record = {"createdate": _written(changed), **properties}
    record: Record = {
        "id": str(record_id),
        "properties": {**known, "hs_object_id": str(record_id), modified: _written(changed)},
        "createdAt": known["createdate"],
        "updatedAt": _written(changed),
        "archived": archived_at is not None,
    }
    return record if archived_at is None else {**record, "archivedAt": _written(archived_at)}


def _shown(record: Record, properties: list[str]) -> Record:
    wanted = {*properties, "hs_object_id", "createdate"}
    kept = {name: record["properties"].get(name) for name in sorted(wanted)}
    return {**record, "properties": kept}


def _fits(record: Record, condition: Record) -> bool:
    value = _comparable(record, condition["propertyName"])
    bound = int(condition["value"])
    match condition["operator"]:
        case "GT":
            return value > bound
        case "GTE":
            return value >= bound
        case "LT":
            return value < bound
        case "LTE":
            return value <= bound
    raise _bad(f"unknown operator {condition['operator']}")


def _comparable(record: Record, name: str) -> int:
    text = record["properties"][name]
    return int(text) if name == "hs_object_id" else round(dt.datetime.fromisoformat(text).timestamp() * 1000)


def _changed(record: Record) -> dt.datetime:
    return dt.datetime.fromisoformat(record["updatedAt"])


def _written(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _bad(message: str) -> BadRequest:
    return BadRequest({"status": "error", "message": message, "correlationId": "0-0", "category": "VALIDATION_ERROR"})


def _error(status: int, category: str, message: str) -> Response:
    return json_answer({"status": "error", "message": message, "correlationId": "0-0", "category": category}, status)


def _limited(message: str, policy: str | None) -> Response:
    body = {"status": "error", "message": message, "errorType": "RATE_LIMIT", "correlationId": "0-0"}
    return json_answer(body if policy is None else {**body, "policyName": policy}, 429)
