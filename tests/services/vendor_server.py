"""What the stand-ins of vendors have in common: what was asked, a clock that the client's waiting moves, limits.

Belongs here: the parts every vendor's server is made of. Does not belong here: one vendor's paths, words or traps.
"""

import base64
import datetime as dt
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from werkzeug import Request, Response

Record = dict[str, Any]

#: When the servers' clocks begin: the days of the tests are long over then.
NOW = dt.datetime(2024, 3, 10, 4, tzinfo=dt.UTC)


class Clock:
    """The time of a server and its client. Waiting takes no time but moves it; both tell it apart from real time."""

    def __init__(self, now: dt.datetime = NOW) -> None:
        self.now = now
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += dt.timedelta(seconds=seconds)

    @property
    def epoch(self) -> float:
        return self.now.timestamp()


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    params: dict[str, str]
    body: Any = None


class Limit:
    """At most so many requests in the seconds before now."""

    def __init__(self, requests: int, seconds: float) -> None:
        self.requests, self.seconds = requests, seconds
        self._times: deque[float] = deque()

    def wait(self, now: float) -> float | None:
        """``None`` when one more may come, and it is counted; else the seconds until one may."""
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        if len(self._times) < self.requests:
            self._times.append(now)
            return None
        return self._times[0] + self.seconds - now


class Server:
    """A vendor's API as a handler. ``answer`` is the vendor; ``refuses`` is its test of credentials."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.asked: list[Asked] = []

    def __call__(self, request: Request) -> Response:
        asked = Asked(request.method, request.path, request.args.to_dict(), _json(request))
        self.asked.append(asked)
        return self.refuses(request) or self.answer(asked, request)

    def refuses(self, request: Request) -> Response | None:
        raise NotImplementedError

    def answer(self, asked: Asked, request: Request) -> Response:
        raise NotImplementedError

    def count(self, path: str) -> int:
        """How many requests there were whose path begins so."""
        return sum(asked.path.startswith(path) for asked in self.asked)


class BadRequest(Exception):
    """What the vendor's documentation says is refused; ``body`` is the refusal."""

    def __init__(self, body: Any, status: int = 400) -> None:
        super().__init__(str(body))
        self.body, self.status = body, status


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status=status, mimetype="application/json", headers=dict(headers or {}))


def bearer(request: Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def basic(request: Request) -> str:
    """``user:password``, or nothing."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    return base64.b64decode(encoded).decode() if scheme == "Basic" else ""


def at(day: int, hour: int = 12, minute: int = 0, second: int = 0) -> dt.datetime:
    """An instant of March 2024."""
    return dt.datetime(2024, 3, day, hour, minute, second, tzinfo=dt.UTC)


def epoch(moment: dt.datetime) -> int:
    return int(moment.timestamp())


def iso(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(request: Request) -> Any:
    return orjson.loads(request.get_data()) if request.is_json and request.get_data() else None
