"""What an answer means: a reply, or a failure that says what to do; and how long "later" is.

Belongs here: statuses, error codes in bodies, headers that say when to come again. Does not belong here: sending, and
what a page holds. Messages name service, stream, status and path; never parameters, bodies or credentials.
"""

import datetime as dt
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from requests import Response
from requests.utils import parse_header_links

from cx_orchestration.integration.inflate import Limits, read_body
from cx_orchestration.integration.paths import parse_path
from cx_orchestration.integration.records import parse_json
from cx_orchestration.model.connection import RetryRule
from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure

_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_QUESTION_STATUS = frozenset({400, 422})
_UNITS = {"seconds": 1.0, "epoch_s": 1.0, "epoch_ms": 1000.0}
#: Beyond this a header is not a time to wait but an error of whoever wrote it.
_LONGEST_SENSIBLE_WAIT = 366 * 86_400.0

Headers = Mapping[str, str]


class CredentialsRefused(PermanentFailure):
    """The service does not accept the credentials: every further request would be refused as well.

    ``renewable`` says that a new token may help (401); a right that is missing (403) no token brings.
    """

    def __init__(self, message: str, *, renewable: bool = False) -> None:
        super().__init__(message)
        self.renewable = renewable


class QuestionRefused(PermanentFailure):
    """The service does not accept the question: wrong parameters, or a cursor that it does not know any more."""


class NotFound(QuestionRefused):
    """There is nothing at the address that was asked for."""


@dataclass(frozen=True)
class Reply:
    """A parsed body, and what paging needs to know besides. ``headers`` are found whatever their case. ``exact`` is
    false when the body held values that are not proper JSON (NaN, lone surrogates): its records are then looked at
    one by one."""

    body: Any
    url: str
    headers: Headers
    exact: bool = True

    @property
    def next_link(self) -> str | None:
        """The address in ``Link: <...>; rel="next"`` (RFC 8288), if there is one."""
        links = parse_header_links(self.headers.get("Link", ""))
        return next((link["url"] for link in links if "next" in link.get("rel", "").lower().split()), None)


@dataclass(frozen=True)
class Judge:
    """Reads the answers of one service. ``credentials`` tells the on-call engineer where the credentials come from."""

    rules: Sequence[RetryRule]
    limits: Limits
    credentials: str

    def reply(self, response: Response, url: str, where: str, *, for_token: bool) -> Reply | Failure:
        """The parsed body, or the failure. ``where`` begins its message.

        Raises as ``urllib3`` does when the connection breaks or the time is up.
        """
        rules = [rule for rule in self.rules if rule.status == response.status_code]
        if response.status_code != 200:
            return self._refusal(response, rules, where, for_token=for_token)
        body = read_body(response, self.limits, where)
        if isinstance(body, Failure):
            return body
        parsed = parse_json(body)
        if parsed is None:
            return _not_json(body, response, where)
        if rules and (later := _recognised(rules, parsed[0], response.headers, where)):
            return later
        return Reply(parsed[0], url, response.headers, parsed[1])

    def _refusal(self, response: Response, rules: Sequence[RetryRule], where: str, *, for_token: bool) -> Failure:
        if rules:
            content: Any = None
            if any(rule.code_path for rule in rules):
                body = read_body(response, self.limits, where)
                if isinstance(body, TransientFailure):
                    return body
                parsed = None if isinstance(body, Failure) else parse_json(body)
                content = parsed and parsed[0]
            if later := _recognised(rules, content, response.headers, where):
                return later
        status = response.status_code
        if status in (401, 403) or (for_token and status == 400):
            return CredentialsRefused(
                f"{where} refused the credentials (HTTP {status}): check {self.credentials}", renewable=status == 401
            )
        if status in _TRANSIENT_STATUS:
            return _later(f"{where} answers HTTP {status}", _retry_after(response.headers))
        if status in (404, 410):
            return NotFound(f"{where} answers HTTP {status}: check client.base_url and the endpoint's path")
        family = QuestionRefused if status in _QUESTION_STATUS else PermanentFailure
        return family(f"{where} answers HTTP {status}: check the endpoint's parameters")


def growing_pause(attempt: int) -> float:
    """Seconds before the next attempt, where nobody said how long to wait; spread, so that many do not come at once."""
    return min(0.5 * 2.0 ** (attempt - 1), 30.0) * random.uniform(0.5, 1)  # noqa: S311


def _recognised(rules: Sequence[RetryRule], content: Any, headers: Headers, where: str) -> TransientFailure | None:
    for rule in rules:
        said = f"HTTP {rule.status}"
        if rule.code_path is not None:
            code = _code(parse_path(rule.code_path).of(content))
            if code not in rule.codes:
                continue
            said += f" and code {code}"
        wait = _declared_wait(rule, headers)
        if wait is None:
            wait = _retry_after(headers)
        return _later(f"{where} answers {said}, which means later by retry_on", wait or rule.wait_seconds)
    return None


def _code(value: Any) -> str | None:
    """An error code as a declaration writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def _later(message: str, wait: float | None) -> TransientFailure:
    asked = "" if wait is None else f" and asks to wait {wait:.0f} s"
    return TransientFailure(message + asked, retry_after=wait)


def _declared_wait(rule: RetryRule, headers: Headers) -> float | None:
    """Seconds to wait by the header that a rule names; an instant is read against the server's own clock."""
    text = headers.get(rule.wait_header, "").strip() if rule.wait_header else ""
    if not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", text):
        return None
    seconds = float(text) / _UNITS[rule.wait_format]
    return _sensible(seconds if rule.wait_format == "seconds" else seconds - _now(headers).timestamp())


def _retry_after(headers: Headers) -> float | None:
    """Seconds to wait, by RFC 9110 10.2.3; a date is read against the server's own clock."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,18}(\.\d{1,9})?", text):
        return _sensible(float(text))
    until = http_date(text)
    return None if until is None else _sensible((until - _now(headers)).total_seconds())


def _sensible(seconds: float) -> float | None:
    """What is over already, or a year ahead, says nothing about when to come again."""
    return seconds if 0 < seconds <= _LONGEST_SENSIBLE_WAIT else None


def _now(headers: Headers) -> dt.datetime:
    return http_date(headers.get("Date", "")) or dt.datetime.now(dt.UTC)


def http_date(text: str) -> dt.datetime | None:
    """The instant of a ``Date`` header; ``None`` where there is none to read."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _not_json(body: bytes, response: Response, where: str) -> Failure:
    start = body.lstrip()[:1]
    framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    if start in (b"{", b"[") and not framed:
        return TransientFailure(f"{where} sent JSON that breaks off, without saying how long it is")
    kind = "an HTML page" if start == b"<" else "a body that is not JSON"
    return PermanentFailure(
        f"{where} answered 200 with {kind} ({len(body)} bytes) where JSON is declared; "
        "check client.base_url, the path and whether the service shows a login or maintenance page"
    )
