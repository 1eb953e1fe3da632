"""The records of a window of time from a declared endpoint, page by page, and nothing of them kept.

Belongs here: one question after the other until the window is answered, result caps and declared orders included. Does
not belong here: how pages are fetched (``paging.py``), and where records go (``staging.py``, ``landing.py``).
"""

import datetime as dt
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cx_orchestration.integration.conditions import all_hold
from cx_orchestration.integration.http import Asks
from cx_orchestration.integration.order import IdsAscend, OrderCheck
from cx_orchestration.integration.page import Page, PageReader, kind
from cx_orchestration.integration.paging import PASSES, Listing
from cx_orchestration.integration.paths import parse_path
from cx_orchestration.integration.records import Record, records_reader
from cx_orchestration.integration.sweeps import Sweep
from cx_orchestration.integration.times import micros, zone_of
from cx_orchestration.integration.windows import query, smallest_step
from cx_orchestration.model.endpoint import (
    Endpoint,
    FeedTombstones,
    FlagTombstones,
    PageNumberPaginator,
    SnapshotTombstones,
)
from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.model.service import Stream
from cx_orchestration.model.values import Time

#: From the parsed records of a page, and whether it was proper JSON, to those that land.
_Read = Callable[[Sequence[Any], bool], list[Record]]

_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class _Question:
    """A window of time, and where to go on in its results."""

    start: dt.datetime
    end: dt.datetime
    after_id: str | None = None


@dataclass(frozen=True)
class EndpointReader:
    """Reads one endpoint of one service. ``updated_at`` is where its records say their time; ``whole`` says that all
    records there are matter, whenever they changed."""

    session: Asks
    stream: str
    endpoint: Endpoint
    updated_at: Time | None
    read: _Read
    whole: bool = False

    def records(
        self, start: dt.datetime, end: dt.datetime, names: Mapping[str, str] | None = None
    ) -> Iterator[list[Record]]:
        """All records of ``[start, end)``, and perhaps others, page by page; one may come twice.

        ``names`` are further placeholders and their values. Raises as ``ServiceSession.ask`` does, and
        ``PermanentFailure`` for a page that is not what was declared, or for a window that cannot be read whole because
        the service cuts its results off, and ``TransientFailure`` for a list that changes each time it is read.
        """
        questions = [_Question(start, end)]
        while questions:
            left_open = yield from self._answers(questions.pop(), names or {})
            questions += reversed(left_open)

    def first_page(self, start: dt.datetime, end: dt.datetime) -> tuple[list[Record], bool]:
        """The records of the first page of ``[start, end)``, and whether there is no other page."""
        page, records = next(self.pages(start, end))
        return records, page.last

    def pages(
        self, start: dt.datetime, end: dt.datetime, names: Mapping[str, str] | None = None
    ) -> Iterator[tuple[Page, list[Record]]]:
        """The pages of one query for ``[start, end)`` and what lands of each; result caps and orders are not heeded."""
        for page in self._listing(_Question(start, end), names or {}).pages():
            yield page, self._of(page)

    def _answers(self, question: _Question, names: Mapping[str, str]) -> Generator[list[Record], None, list[_Question]]:
        """The pages of one question; returns the questions that a result cap leaves open.

        Pages by number alone do not show that a record left the list and took another one along: the list is read
        until two readings agree, unless it has one page only.
        """
        if not self._may_move_unseen:
            return (yield from self._reading(question, names))
        start, end = micros(question.start), micros(question.end)
        before: Sweep | None = None
        for _ in range(PASSES):
            sweep = Sweep(start, end, whole=self.whole, before=before)
            left_open = yield from self._reading(question, names, sweep)
            if sweep.pages <= 1 or (before is not None and sweep.agrees(before)):
                return left_open
            before = sweep
        raise TransientFailure(
            f"{self.session.service}/{self.stream}: {self.endpoint.path}: the list changed each of {PASSES} times that "
            "it was read; it is asked for again later"
        )

    def _reading(
        self, question: _Question, names: Mapping[str, str], sweep: Sweep | None = None
    ) -> Generator[list[Record], None, list[_Question]]:
        cap, received = self.endpoint.max_results_per_query, 0
        order = OrderCheck(self.endpoint.order, self.updated_at, self._wrong) if self.endpoint.order else None
        tie_break = self.endpoint.tie_break
        by_id = IdsAscend(tie_break.id_path, question.after_id, self._wrong) if tie_break else None
        for page in self._listing(question, names).pages():
            if page.first:
                received = 0
                if order is not None:
                    order.start()
                if by_id is not None:
                    by_id.start()
                if sweep is not None:
                    sweep.begin()
            records = self._of(page)
            if order is not None:
                order.check(page.records, records)
            if by_id is not None:
                by_id.check(page.listed)
            yield records if sweep is None else sweep.add(records)
            received += len(page.listed)
            if order is not None and order.is_past(question.start, question.end):
                return []
            if cap is not None and received >= cap:
                return self._behind_cap(question, page, order)
        return []

    def _listing(self, question: _Question, names: Mapping[str, str]) -> Listing:
        if self.endpoint.tie_break is not None:
            names = {**names, "tie_break.id": question.after_id or self.endpoint.tie_break.first}
        asked = query(self.endpoint, question.start, question.end, zone_of(self.updated_at), names)
        return Listing(self.session, self.stream, self.endpoint, asked, self._identify)

    def _identify(self, listed: Any) -> Any:
        """What stays the same of what a service lists, as long as it does not change: ids and times of its records."""
        inner = PageReader(self.session.service, self.stream, self.endpoint).records([listed])
        return [(record.record_id, record.updated_at) for record in self.read(inner, False)] or listed

    @property
    def _may_move_unseen(self) -> bool:
        how = self.endpoint.paginator
        return isinstance(how, PageNumberPaginator) and how.total_path is None

    def _of(self, page: Page) -> list[Record]:
        return self.read(page.records, page.exact)

    def _behind_cap(self, question: _Question, page: Page, order: OrderCheck | None) -> list[_Question]:
        """What is left to ask when a question gave as many results as the service gives at most."""
        cap = self.endpoint.max_results_per_query
        if self.endpoint.tie_break is not None:
            return [replace(question, after_id=self._last_id(question, page, self.endpoint.tie_break.id_path))]
        if self.endpoint.window is None:
            raise self._wrong(f"results are cut off at {cap}; declare a 'window' that can be split, or a 'tie_break'")
        step, length = smallest_step(self.endpoint.window), question.end - question.start
        reached = order.reached_by_time() if order else None
        steps = length // step // 2 if reached is None else (reached - micros(question.start)) * _MICROSECOND // step
        if reached is None:
            steps = max(steps, 1)
        if length <= step or steps < 1:
            span_length = min(length, step)
            span = f"within {span_length}" if span_length > _MICROSECOND else "with one and the same time"
            raise self._wrong(
                f"{cap} records or more {span}, and results are cut off there; declare a 'tie_break' that goes on by id"
            )
        middle = question.start + steps * step
        later = _Question(middle, question.end)
        return [later] if reached is not None else [_Question(question.start, middle), later]

    def _last_id(self, question: _Question, page: Page, path: str) -> str:
        last = parse_path(path).of(page.listed[-1])
        if isinstance(last, bool) or not isinstance(last, str | int):
            raise self._wrong(f"expected an id at '{path}' (tie_break) in the last record, found {kind(last)}")
        if str(last) == question.after_id:
            raise self._wrong("no progress: '{tie_break.id}' is not heeded, the results end with the same id again")
        return str(last)

    @property
    def _wrong(self) -> Callable[[str], Exception]:
        return PageReader(self.session.service, self.stream, self.endpoint).wrong


def stream_reader(session: Asks, name: str, stream: Stream, around: Mapping[str, Any] | None = None) -> EndpointReader:
    """What reads a stream's own endpoint; ``around`` is added to each of its records under ``_parent``."""
    if stream.endpoint is None:
        raise ValueError("this stream is read from files")
    reader = listing_reader(session, name, stream, stream.endpoint)
    by_own_listing = isinstance(stream.tombstones, SnapshotTombstones) and stream.tombstones.endpoint is None
    reader = replace(reader, whole=by_own_listing or stream.sweep is not None)
    if isinstance(stream.tombstones, FlagTombstones):
        reader = replace(reader, read=_flagging(reader.read, all_hold(stream.tombstones.when)))
    return reader if around is None else replace(reader, read=_with_parent(reader.read, around))


def listing_reader(session: Asks, name: str, stream: Stream, endpoint: Endpoint) -> EndpointReader:
    """What reads any listing of the records of a stream."""
    read = records_reader(stream.record_id, stream.updated_at)
    return EndpointReader(session, name, endpoint, stream.updated_at, read)


def tombstone_reader(session: Asks, name: str, feed: FeedTombstones) -> EndpointReader:
    """What reads the endpoint that lists a stream's deleted records."""
    read, is_deletion = records_reader(feed.record_id, feed.deleted_at), all_hold(feed.when)

    def tombstones(entries: Sequence[Any], exact: bool) -> list[Record]:
        deletions = [entry for entry in entries if is_deletion(entry)]
        return [record._replace(deleted=True) for record in read(deletions, exact)]

    return EndpointReader(session, name, feed.endpoint, feed.deleted_at, tombstones)


def _flagging(read: _Read, is_deleted: Callable[[Any], bool]) -> _Read:
    def flagged(listed: Sequence[Any], exact: bool) -> list[Record]:
        pairs = zip(listed, read(listed, exact), strict=True)
        return [record._replace(deleted=True) if is_deleted(found) else record for found, record in pairs]

    return flagged


def _with_parent(read: _Read, around: Mapping[str, Any]) -> _Read:
    def children(listed: Sequence[Any], exact: bool) -> list[Record]:
        named = [{**child, "_parent": around} if isinstance(child, dict) else child for child in listed]
        return read(named, exact)

    return children
