"""Google Analytics' Data API as documented: runReport with ranges of whole days in the property's zone, values by
position, zero values left out of its JSON, tokens of an hour."""

import datetime as dt
from zoneinfo import ZoneInfo

from vendor_server import Asked, BadRequest, Clock, Record, Server, bearer, json_answer
from werkzeug import Request, Response

TOKEN, PROPERTY = "canary-token", "123456"
_DEFAULT_LIMIT, _MOST, _DIMENSIONS = 10_000, 250_000, 9
_KNOWN = {
    "dateHourMinute", "eventName", "customUser:login", "deviceCategory", "sessionDefaultChannelGroup", "transactionId",
}  # fmt: skip


class GoogleAnalytics(Server):
    """One property. ``hits`` have an instant ``at`` and the values of dimensions; ``tokens`` are the reports that the
    hour still allows."""

    def __init__(
        self, hits: list[Record], *, zone: str = "UTC", tokens: int = 1000, clock: Clock | None = None
    ) -> None:
        super().__init__(clock)
        self.hits, self.zone, self.tokens = hits, ZoneInfo(zone), tokens

    def refuses(self, request: Request) -> Response | None:
        if bearer(request) == TOKEN:
            return None
        return json_answer(_error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), 401)

    def answer(self, asked: Asked, request: Request) -> Response:
        if asked.path != f"/v1beta/properties/{PROPERTY}:runReport" or asked.method != "POST":
            return json_answer(_error(404, "NOT_FOUND", "Requested entity was not found."), 404)
        if self.tokens == 0:
            said = "Exhausted property tokens per hour. These quota tokens will return in under an hour."
            return json_answer(_error(429, "RESOURCE_EXHAUSTED", said), 429)
        self.tokens -= 1
        try:
            return json_answer(self._report(asked.body))
        except BadRequest as refused:
            return json_answer(refused.body, 400)

    def _report(self, body: Record) -> Record:
        names = [dimension["name"] for dimension in body["dimensions"]]
        if len(names) > _DIMENSIONS or not set(names) <= _KNOWN:
            raise _invalid("Did you mean another dimension?")
        limit, offset = int(body.get("limit", _DEFAULT_LIMIT)), int(body.get("offset", 0))
        if not 0 < limit <= _MOST:
            raise _invalid("limit must be positive and at most 250000")
        (days,) = body["dateRanges"]
        start, end = (dt.date.fromisoformat(days[key]) for key in ("startDate", "endDate"))
        kept = body["dimensionFilter"]["filter"]["inListFilter"]["values"]
        counted: dict[tuple[str, ...], int] = {}
        for hit in self.hits:
            if start <= self._local(hit).date() <= end and hit["eventName"] in kept:
                key = tuple(self._value(hit, name) for name in names)
                counted[key] = counted.get(key, 0) + 1
        order = [names.index(each["dimension"]["dimensionName"]) for each in body.get("orderBys", [])]
        keys = sorted(counted, key=lambda key: [key[n] for n in order]) if order else list(counted)
        rows = [
            {"dimensionValues": [{"value": value} for value in key], "metricValues": [{"value": str(counted[key])}]}
            for key in keys[offset : offset + limit]
        ]
        report: Record = {
            "dimensionHeaders": [{"name": name} for name in names],
            "metricHeaders": [{"name": "eventCount", "type": "TYPE_INTEGER"}],
            "metadata": {"currencyCode": "USD", "timeZone": self.zone.key},
            "kind": "analyticsData#runReport",
        }
        if rows:
            report["rows"] = rows
        if counted:
            report["rowCount"] = len(counted)
        return report

    def _local(self, hit: Record) -> dt.datetime:
        moment: dt.datetime = hit["at"]
        return moment.astimezone(self.zone)

    def _value(self, hit: Record, name: str) -> str:
        return self._local(hit).strftime("%Y%m%d%H%M") if name == "dateHourMinute" else hit.get(name, "(not set)")


def _invalid(message: str) -> BadRequest:
    return BadRequest(_error(400, "INVALID_ARGUMENT", message))


def _error(code: int, status: str, message: str) -> Record:
    return {"error": {"code": code, "status": status, "message": message}}
