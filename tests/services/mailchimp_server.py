"""Mailchimp's Marketing API as documented: ``count`` and ``offset``, ten requests under way at once, archived members
that are listed only when asked for, and reports of campaigns."""

import datetime as dt

from vendor_server import Asked, BadRequest, Clock, Record, Server, basic, json_answer
from werkzeug import Request, Response

KEY, LIST = "canary0123456789-us21", "a6b5da1054"
_DEFAULT_COUNT, _MOST = 10, 1000
_AT_ONCE = 10
_MEMBER_STATUS = {"subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived"}
_ORDERS = {"timestamp_opt", "timestamp_signup", "last_changed", "send_time", "create_time"}


class Mailchimp(Server):
    """One account with one audience. ``activity`` is by the id of a campaign; ``busy`` requests of others are under
    way and end one a refusal."""

    def __init__(
        self,
        *,
        members: list[Record] | None = None,
        campaigns: list[Record] | None = None,
        activity: dict[str, list[Record]] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(clock)
        self.members, self.campaigns, self.activity = members or [], campaigns or [], activity or {}
        self.busy = 0

    def refuses(self, request: Request) -> Response | None:
        user, _, password = basic(request).partition(":")
        if not user or password != KEY:
            said = "Your API key may be invalid, or you've attempted the wrong datacenter."
            return json_answer(_problem(401, "API Key Invalid", said), 401)
        if self.busy + 1 > _AT_ONCE:
            self.busy -= 1
            said = "You have exceeded the limit of 10 simultaneous connections."
            return json_answer(_problem(429, "Too Many Requests", said), 429)
        return None

    def answer(self, asked: Asked, request: Request) -> Response:
        try:
            match asked.path.removeprefix("/3.0/").split("/"):
                case ["lists", name, "members"] if name == LIST:
                    return self._page("members", self._members(asked.params), asked.params)
                case ["campaigns"]:
                    return self._page("campaigns", self._campaigns(asked.params), asked.params)
                case ["reports", campaign, "email-activity"] if campaign in self.activity:
                    return self._page("emails", self.activity[campaign], asked.params)
        except BadRequest as refused:
            return json_answer(refused.body, refused.status)
        return json_answer(_problem(404, "Resource Not Found", "The requested resource could not be found."), 404)

    def _members(self, params: dict[str, str]) -> list[Record]:
        status = params.get("status")
        if status is not None and status not in _MEMBER_STATUS:
            raise _invalid("status")
        shown = [m for m in self.members if (m["status"] == status if status else m["status"] != "archived")]
        return _sorted(_between(shown, "last_changed", params, "last_changed"), params)

    def _campaigns(self, params: dict[str, str]) -> list[Record]:
        shown = [c for c in self.campaigns if params.get("status", c["status"]) == c["status"]]
        return _sorted(_between(shown, "send_time", params, "send_time"), params)

    def _page(self, name: str, records: list[Record], params: dict[str, str]) -> Response:
        count, offset = int(params.get("count", _DEFAULT_COUNT)), int(params.get("offset", 0))
        if not 0 <= count <= _MOST:
            raise _invalid("count")
        return json_answer({name: records[offset : offset + count], "total_items": len(records)})


def _between(records: list[Record], field: str, params: dict[str, str], name: str) -> list[Record]:
    """Those after and before the bounds, both left out themselves."""
    bounds = [_time(params[bound]) if (bound := f"{side}_{name}") in params else None for side in ("since", "before")]
    return [
        record
        for record in records
        if (bounds[0] is None or _time(record[field]) > bounds[0])
        and (bounds[1] is None or _time(record[field]) < bounds[1])
    ]


def _sorted(records: list[Record], params: dict[str, str]) -> list[Record]:
    field = params.get("sort_field")
    if field is None:
        return records
    if field not in _ORDERS:
        raise _invalid("sort_field")
    return sorted(records, key=lambda record: record[field], reverse=params.get("sort_dir") == "DESC")


def _time(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise _invalid("time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _invalid(what: str) -> BadRequest:
    return BadRequest(_problem(400, "Invalid Resource", f"The resource submitted could not be validated: {what}"))


def _problem(status: int, title: str, detail: str) -> Record:
    return {"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": title, "status": status,
            "detail": detail}  # fmt: skip
