"""Questions under a budget: a session that counts and looks at the service's clock, and the pages it gave.

Belongs here: asking. Does not belong here: what is asked, and what the answers mean.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from cx_orchestration.integration.answers import Reply, http_date
from cx_orchestration.integration.extraction import EndpointReader
from cx_orchestration.integration.http import Params, ServiceSession
from cx_orchestration.integration.page import Page
from cx_orchestration.integration.probe.findings import BudgetUsedUp
from cx_orchestration.integration.records import Record

Clock: TypeAlias = Callable[[], dt.datetime]

_SECOND = dt.timedelta(seconds=1)
_NONE = dt.timedelta()


class WatchedSession:
    """A session of which one stream takes at most ``budget`` requests, further attempts counted.

    ``skews`` has for each answer how far the service's clock is ahead of ours, as little as its ``Date`` allows.
    """

    def __init__(self, session: ServiceSession, budget: int, clock: Clock) -> None:
        self.skews: list[dt.timedelta] = []
        self._session = session
        self._began = session.requests
        self._budget = budget
        self._clock = clock

    @property
    def service(self) -> str:
        return self._session.service

    @property
    def requests(self) -> int:
        return self._session.requests - self._began

    def ask(
        self,
        path: str,
        params: Params | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        stream: str = "",
        shown: str = "",
    ) -> Reply:
        """As ``ServiceSession.ask``. Raises ``BudgetUsedUp`` in place of one request too many."""
        if self.requests >= self._budget:
            raise BudgetUsedUp
        sent = self._clock()
        reply = self._session.ask(path, params, body=body, stream=stream, shown=shown)
        self._note_clock(reply, sent, self._clock())
        return reply

    def address(self, path: str, *, against: str | None = None) -> str:
        return self._session.address(path, against=against)

    def _note_clock(self, reply: Reply, sent: dt.datetime, received: dt.datetime) -> None:
        said = http_date(reply.headers.get("Date", ""))
        if said is None or reply.headers.get("Age", "0").strip() != "0":  # an answer out of a cache is older
            return
        # The header leaves out fractions of a second, and was written at any time between sending and receiving.
        least, most = said - received, said + _SECOND - sent
        self.skews.append(least if least > _NONE else most if most < _NONE else _NONE)


@dataclass
class Seen:
    """Pages that were read. ``whole`` is true when the last of them says that it is the last."""

    pages: list[Page] = field(default_factory=list)
    by_page: list[list[Record]] = field(default_factory=list)

    def add(self, read: Iterator[tuple[Page, list[Record]]]) -> None:
        for page, records in read:
            self.pages.append(page)
            self.by_page.append(records)

    @property
    def whole(self) -> bool:
        return bool(self.pages) and self.pages[-1].last

    @property
    def records(self) -> list[Record]:
        return [record for records in self.by_page for record in records]

    @property
    def ids(self) -> list[str]:
        return [record.record_id for record in self.records]

    @property
    def times(self) -> list[int]:
        """The readable times, in microseconds since 1970."""
        return [record.updated_at for record in self.records if record.updated_at is not None]


@dataclass(frozen=True)
class Question:
    """What one endpoint is asked; ``names`` are placeholders that do not change, such as those of a parent."""

    reader: EndpointReader
    names: Mapping[str, str] = field(default_factory=dict)

    def pages(self, start: dt.datetime, end: dt.datetime) -> Iterator[tuple[Page, list[Record]]]:
        return self.reader.pages(start, end, self.names)

    def seen(self, start: dt.datetime, end: dt.datetime, pages: int = 1) -> Seen:
        """The first pages of ``[start, end)``."""
        seen = Seen()
        seen.add(islice(self.pages(start, end), pages))
        return seen


def named(fields: Sequence[str]) -> str:
    """Names of a declaration in a sentence."""
    return ", ".join(f"'{each}'" for each in dict.fromkeys(fields))
