"""From one endpoint to its pages: each paginator as it is declared, without guessing.

A page that makes no progress, or lacks the sign of how to go on, is a ``PermanentFailure``. Belongs here: going from
page to page. Does not belong here: what one page must be (``page.py``).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cx_orchestration.integration.answers import CredentialsRefused, QuestionRefused, Reply
from cx_orchestration.integration.http import Asks
from cx_orchestration.integration.page import Page, PageReader, kind
from cx_orchestration.integration.paths import MISSING, parse_path
from cx_orchestration.integration.windows import Query
from cx_orchestration.model.endpoint import (
    CursorPaginator,
    Endpoint,
    HeaderCursorPaginator,
    LastIdPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    OffsetPaginator,
    PageNumberPaginator,
    SinglePage,
)
from cx_orchestration.model.failures import PermanentFailure, TransientFailure

#: What paging adds to a query: parameters by name, and values of the request's JSON by path.
_Additions = Mapping[str, str | int]

#: How often a list that cannot be read to its end is begun before it is given up for now.
PASSES = 3

#: How often records may leave a list while it is paged by offset, before it is begun again.
_MOVES = 100


class _StartAgain(Exception):
    """The list cannot be read on from here, but perhaps from its start; ``refused`` when it was the question."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


class Listing:
    """One listing of one endpoint: what to ask for first, and how to go on. ``identify`` gives what stays the same of
    what is listed, as long as it does not change."""

    def __init__(
        self,
        session: Asks,
        stream: str,
        endpoint: Endpoint,
        query: Query,
        identify: Callable[[Any], Any] = lambda listed: listed,
    ) -> None:
        self.session = session
        self._stream = stream
        self._endpoint = endpoint
        self._query = query
        self._read = PageReader(session.service, stream, endpoint)
        self._identify = identify
        self._asked = self._given = 0

    def pages(self) -> Iterator[Page]:
        """The pages in the service's order. Raises as ``ServiceSession.ask`` does, and ``PermanentFailure``.

        A list that cannot be read to its end, because it moves or its cursor expires, is read from its start again,
        ``PASSES`` times at most; then it is a ``TransientFailure``. A page that is refused each time is a
        ``PermanentFailure``: a cursor that expires does so here and there.
        """
        refused_before = 0
        for _ in range(PASSES):
            self._asked = self._given = 0
            try:
                yield from self._pass()
                return
            except _StartAgain as again:
                why = str(again)
                if again.refused and self._asked == refused_before:
                    raise PermanentFailure(
                        f"{again}, twice at the same place, although what comes before is not refused; the service "
                        "does not list so much at once: ask for less with window.max_days or max_results_per_query"
                    ) from None
                refused_before = self._asked if again.refused else 0
        raise TransientFailure(
            f"{self.session.service}/{self._stream}: {self._endpoint.path}: {why}, each of {PASSES} times that it was "
            "read; it is asked for again later"
        )

    def _pass(self) -> Iterator[Page]:
        how = self._endpoint.paginator
        match how:
            case SinglePage():
                reply = self._ask({})
                yield self._page(reply, self._read.listed(reply), last=True)
            case PageNumberPaginator():
                yield from self._by_number(how)
            case OffsetPaginator():
                yield from self._by_offset(how)
            case CursorPaginator():
                yield from self._by_cursor(how)
            case HeaderCursorPaginator():
                yield from self._by_header(how)
            case LastIdPaginator():
                yield from self._by_last_id(how)
            case NextUrlPaginator():
                yield from self._by_next_url(how)
            case LinkHeaderPaginator():
                yield from self._by_link_header()

    def _by_number(self, how: PageNumberPaginator) -> Iterator[Page]:
        number, before, seen, promised = how.base_page, None, 0, None
        while True:
            reply = self._ask({how.page_param: number})
            records = self._read.listed(reply)
            seen += len(records)
            last = not records
            if how.total_pages_path is not None:
                total = self._read.marker(reply, how.total_pages_path, int, "total_pages_path", "the number of pages")
                last = number - how.base_page + 1 >= total
                if not records and not last:
                    raise self._read.wrong(f"page {number} is empty, but '{how.total_pages_path}' promises {total}")
            if how.total_path is not None:
                total = self._read.total(reply, how.total_path)
                promised = total if promised is None else promised
                if total != promised or seen > total:
                    raise _StartAgain(f"'{how.total_path}' changed while the list was paged")
                last = last or seen == total
                if last and seen < total:
                    raise self._read.wrong(f"{seen} records came, but '{how.total_path}' promises {total}")
            self._moved_on(records, before, how.page_param)
            yield self._page(reply, records, last)
            if last:
                return
            number, before = number + 1, records

    def _by_offset(self, how: OffsetPaginator) -> Iterator[Page]:
        """Each page begins with the last record of the one before: where it does not, records left or joined the list
        meanwhile. Then the page before is asked for again, and paging goes on behind what both have in common."""
        param = how.offset_body_path or how.offset_param
        reply, records, total = self._at_offset(how, 0)
        new, reached, moves = records, len(records), 0
        while True:
            yield self._page(reply, new, last=reached >= total)
            if reached >= total:
                return
            before, start = records, reached - 1
            reply, records, total = self._at_offset(how, start)
            self._moved_on(records, before, param)
            following = self._behind(before, records)
            if following is None:
                start, moves = max(0, reached - len(before)), moves + 1
                reply, records, total = self._at_offset(how, start)
                following = self._behind(before, records)
            elif start + len(records) <= reached and reached < total:
                raise self._read.wrong(
                    f"the page at offset {start} has nothing new, but '{how.total_path}' promises {total} records"
                )
            if following is None or moves > _MOVES:
                raise _StartAgain("records left the list while it was paged")
            new, reached = following, start + len(records)

    def _at_offset(self, how: OffsetPaginator, offset: int) -> tuple[Reply, list[Any], int]:
        limit, place = how.limit_body_path or how.limit_param, how.offset_body_path or how.offset_param
        reply = self._ask({limit: how.limit, place: offset}, in_body=how.offset_body_path is not None)
        records, total = self._read.listed(reply), self._read.total(reply, how.total_path)
        if not records and offset < total:
            raise self._read.wrong(f"page at offset {offset} is empty, but '{how.total_path}' promises {total} records")
        return reply, records, total

    def _behind(self, before: list[Any], records: list[Any]) -> list[Any] | None:
        """What is new on a page that should begin where the one before ended; ``None`` where they share no record."""
        if records and self._identify(records[0]) == self._identify(before[-1]):
            return records[1:]
        known = [self._identify(record) for record in before]
        for place, record in enumerate(records):
            if self._identify(record) in known:
                return [record for record in records[place + 1 :] if record not in before]
        return None

    def _by_cursor(self, how: CursorPaginator) -> Iterator[Page]:
        cursor, seen = None, set[str | int]()
        place = how.cursor_body_path or str(how.cursor_param)
        while True:
            reply = self._ask({} if cursor is None else {place: cursor}, in_body=how.cursor_body_path is not None)
            records = self._read.listed(reply)
            following = self._next_cursor(reply, how)
            yield self._page(reply, records, last=following is None)
            if following is None:
                return
            cursor = self._new(following, seen, how.cursor_path)

    def _next_cursor(self, reply: Reply, how: CursorPaginator) -> str | int | None:
        """The cursor of the next page, or ``None`` at the declared sign of the end."""
        if how.end_path is not None:
            end = self._read.marker(reply, how.end_path, type(how.end_value), "end_path", "the end marker")
            if end == how.end_value:
                return None
        cursor = parse_path(how.cursor_path).of(reply.body)
        if how.end_path is None and (cursor is None or (cursor is MISSING and how.null_when_absent)):
            return None
        if isinstance(cursor, bool) or not isinstance(cursor, str | int) or cursor == "":
            expected = "a cursor" if how.end_path else "a cursor, or null on the last page"
            raise self._read.wrong(f"expected {expected} at '{how.cursor_path}' (cursor_path), found {kind(cursor)}")
        return cursor

    def _by_header(self, how: HeaderCursorPaginator) -> Iterator[Page]:
        reply, seen = self._ask({}), set[str | int]()
        while True:
            following = reply.headers.get(how.cursor_header, "")
            yield self._page(reply, self._read.listed(reply), last=not following)
            if not following:
                return
            if how.cursor_param is None:
                reply = self._follow(following, reply, seen, how.cursor_header)
            else:
                reply = self._ask({how.cursor_param: self._new(following, seen, how.cursor_header)})

    def _by_last_id(self, how: LastIdPaginator) -> Iterator[Page]:
        additions: dict[str, str | int] = {}
        seen: set[str | int] = set()
        while True:
            reply = self._ask(additions)
            records = self._read.listed(reply)
            more = bool(records)
            if how.has_more_path is not None:
                meaning = "whether there are more records"
                more = self._read.marker(reply, how.has_more_path, bool, "has_more_path", meaning)
            yield self._page(reply, records, last=not more)
            if not more:
                return
            if not records:
                raise self._read.wrong(f"'{how.has_more_path}' promises more records, but the page has none")
            last = parse_path(how.id_path).of(records[-1])
            if isinstance(last, bool) or not isinstance(last, str | int):
                raise self._read.wrong(
                    f"expected an id at '{how.id_path}' (id_path) in the last record, found {kind(last)}"
                )
            additions = {how.cursor_param: self._new(last, seen, how.id_path)}

    def _by_next_url(self, how: NextUrlPaginator) -> Iterator[Page]:
        reply, seen = self._ask({}), set[str | int]()
        while True:
            records = self._read.listed(reply)
            done = self._next_url_done(reply, how)
            yield self._page(reply, records, done)
            if done:
                return
            following = parse_path(how.next_url_path).of(reply.body)
            if not isinstance(following, str) or not following:
                raise self._read.wrong(
                    f"expected an address at '{how.next_url_path}' (next_url_path), found {kind(following)}"
                )
            reply = self._follow(following, reply, seen, how.next_url_path)

    def _next_url_done(self, reply: Reply, how: NextUrlPaginator) -> bool:
        if how.done_path is not None:
            return bool(self._read.marker(reply, how.done_path, bool, "done_path", "whether this is the last page"))
        following = parse_path(how.next_url_path).of(reply.body)
        if following is MISSING:
            raise self._read.wrong(
                f"expected an address, or null at the end, at '{how.next_url_path}' (next_url_path), found nothing"
            )
        return following is None

    def _by_link_header(self) -> Iterator[Page]:
        reply, seen = self._ask({}), set[str | int]()
        while True:
            yield self._page(reply, self._read.listed(reply), last=reply.next_link is None)
            if reply.next_link is None:
                return
            reply = self._follow(reply.next_link, reply, seen, "Link header")

    def _page(self, reply: Reply, records: list[Any], last: bool) -> Page:
        if last:
            self._read.require_complete(reply)
        self._given += 1
        return Page(records, self._read.records(records), reply.exact, last, first=self._given == 1)

    def _ask(self, additions: _Additions, *, in_body: bool = False) -> Reply:
        params, body = self._query.params, self._query.body
        if in_body:
            for path, value in additions.items():
                body = _with(body or {}, path.split("."), value)
        else:
            params = {**params, **additions}
        return self._send(self._query.path, params, body, shown=self._endpoint.path)

    def _follow(self, address: str, reply: Reply, seen: set[str | int], where: str) -> Reply:
        return self._send(self.session.address(str(self._new(address, seen, where)), against=reply.url), None, None)

    def _send(
        self, path: str, params: Mapping[str, str | int] | None, body: Mapping[str, Any] | None, *, shown: str = ""
    ) -> Reply:
        self._asked += 1
        try:
            return self.session.ask(path, params, body=body, stream=self._stream, shown=shown)
        except (CredentialsRefused, QuestionRefused) as refusal:
            if self._asked == 1:
                raise
            # The same question and credentials were good enough for the first page: what ended is a cursor, the
            # session that it lives in, or the list. A question that is refused at the same place again was too much.
            raise _StartAgain(str(refusal), refused=isinstance(refusal, QuestionRefused)) from None

    def _new(self, value: str | int, seen: set[str | int], where: str) -> str | int:
        if value in seen:
            raise self._read.wrong(f"no progress: '{where}' gives the same value as an earlier page")
        seen.add(value)
        return value

    def _moved_on(self, records: list[Any], before: list[Any] | None, param: str) -> None:
        if records and records == before:
            raise self._read.wrong(f"no progress: the service does not heed '{param}', two pages in a row are the same")


def _with(body: Mapping[str, Any], names: list[str], value: str | int) -> dict[str, Any]:
    """A copy of a JSON object with a value put at a path."""
    first, *rest = names
    if not rest:
        return {**body, first: value}
    inner = body.get(first)
    return {**body, first: _with(inner if isinstance(inner, dict) else {}, rest, value)}
