"""From one endpoint to its pages: each paginator as it is declared, without guessing.

A page that is not what was declared (no list of records, no end marker, no progress) is a ``PermanentFailure``: public
extractors take such a page for the last one and lose the rest. Belongs here: going from page to page. Does not belong
here: what a record holds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cx_orchestration.integration.answers import Reply
from cx_orchestration.integration.http import Params, ServiceSession
from cx_orchestration.integration.paths import MISSING, parse_path
from cx_orchestration.model.endpoint import (
    CursorPaginator,
    LastIdPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    OffsetPaginator,
    PageNumberPaginator,
    Paginator,
    SinglePage,
)
from cx_orchestration.model.failures import PermanentFailure


@dataclass(frozen=True)
class Page:
    """The records of one page as parsed. ``last`` is true when paging ends here."""

    records: list[Any]
    exact: bool
    last: bool


@dataclass(frozen=True)
class Listing:
    """One listing of one stream: what to ask for first, and how to go on."""

    session: ServiceSession
    stream: str
    path: str
    params: Params
    data_selector: str
    paginator: Paginator

    def pages(self) -> Iterator[Page]:
        """The pages in the service's order. Raises as ``ServiceSession.ask`` does, and ``PermanentFailure``."""
        match self.paginator:
            case SinglePage():
                yield self._page(self._get({}), last=True)
            case PageNumberPaginator():
                yield from self._by_number(self.paginator)
            case OffsetPaginator():
                yield from self._by_offset(self.paginator)
            case CursorPaginator():
                yield from self._by_cursor(self.paginator)
            case LastIdPaginator():
                yield from self._by_last_id(self.paginator)
            case NextUrlPaginator():
                yield from self._by_next_url(self.paginator)
            case LinkHeaderPaginator():
                yield from self._by_link_header()

    def _by_number(self, how: PageNumberPaginator) -> Iterator[Page]:
        number, before = how.base_page, None
        while True:
            page = self._page(self._get({how.page_param: number}))
            yield Page(page.records, page.exact, last=not page.records)
            if not page.records:
                return
            self._moved_on(page.records, before, how.page_param)
            number, before = number + 1, page.records

    def _by_offset(self, how: OffsetPaginator) -> Iterator[Page]:
        offset, before = 0, None
        while True:
            reply = self._get({how.limit_param: how.limit, how.offset_param: offset})
            page = self._page(reply)
            total = self._marker(reply, how.total_path, int, "total_path", "the number of all records")
            self._moved_on(page.records, before, how.offset_param)
            offset, before = offset + len(page.records), page.records
            if offset < total and not page.records:
                raise self._wrong(f"page at offset {offset} is empty, but '{how.total_path}' promises {total} records")
            yield Page(page.records, page.exact, last=offset >= total)
            if offset >= total:
                return

    def _by_cursor(self, how: CursorPaginator) -> Iterator[Page]:
        cursor, seen = None, set[str | int]()
        while True:
            reply = self._get({} if cursor is None else {str(how.cursor_param): cursor})
            page = self._page(reply)
            last, following = self._next_cursor(reply, how)
            yield Page(page.records, page.exact, last)
            if last or following is None:
                return
            cursor = self._new(following, seen, how.cursor_path)

    def _next_cursor(self, reply: Reply, how: CursorPaginator) -> tuple[bool, str | int | None]:
        if how.end_path is not None:
            end = self._marker(reply, how.end_path, type(how.end_value), "end_path", "the end marker")
            if end == how.end_value:
                return True, None
        cursor = parse_path(how.cursor_path).of(reply.body)
        if cursor is None and how.end_path is None:
            return True, None
        if isinstance(cursor, bool) or not isinstance(cursor, str | int) or cursor == "":
            expected = "a cursor" if how.end_path else "a cursor, or null on the last page"
            raise self._wrong(f"expected {expected} at '{how.cursor_path}' (cursor_path), found {_kind(cursor)}")
        return False, cursor

    def _by_last_id(self, how: LastIdPaginator) -> Iterator[Page]:
        params: dict[str, str | int] = {}
        seen: set[str | int] = set()
        while True:
            reply = self._get(params)
            page = self._page(reply)
            more = self._marker(reply, how.has_more_path, bool, "has_more_path", "whether there are more records")
            yield Page(page.records, page.exact, last=not more)
            if not more:
                return
            if not page.records:
                raise self._wrong(f"'{how.has_more_path}' promises more records, but the page has none")
            last = parse_path(how.id_path).of(page.records[-1])
            if isinstance(last, bool) or not isinstance(last, str | int):
                raise self._wrong(
                    f"expected an id at '{how.id_path}' (id_path) in the last record, found {_kind(last)}"
                )
            params = {how.cursor_param: self._new(last, seen, how.id_path)}

    def _by_next_url(self, how: NextUrlPaginator) -> Iterator[Page]:
        reply, seen = self._get({}), set[str | int]()
        while True:
            page = self._page(reply)
            done = self._next_url_done(reply, how)
            yield Page(page.records, page.exact, done)
            if done:
                return
            following = parse_path(how.next_url_path).of(reply.body)
            if not isinstance(following, str) or not following:
                raise self._wrong(
                    f"expected an address at '{how.next_url_path}' (next_url_path), found {_kind(following)}"
                )
            reply = self._follow(following, reply, seen, how.next_url_path)

    def _next_url_done(self, reply: Reply, how: NextUrlPaginator) -> bool:
        if how.done_path is not None:
            return bool(self._marker(reply, how.done_path, bool, "done_path", "whether this is the last page"))
        following = parse_path(how.next_url_path).of(reply.body)
        if following is MISSING:
            raise self._wrong(
                f"expected an address, or null at the end, at '{how.next_url_path}' (next_url_path), found nothing"
            )
        return following is None

    def _by_link_header(self) -> Iterator[Page]:
        reply, seen = self._get({}), set[str | int]()
        while True:
            page = self._page(reply)
            yield Page(page.records, page.exact, last=reply.next_link is None)
            if reply.next_link is None:
                return
            reply = self._follow(reply.next_link, reply, seen, "Link header")

    def _get(self, paging: Mapping[str, str | int]) -> Reply:
        return self.session.ask(self.path, {**self.params, **paging}, stream=self.stream)

    def _follow(self, address: str, reply: Reply, seen: set[str | int], where: str) -> Reply:
        url = self.session.address(str(self._new(address, seen, where)), against=reply.url)
        return self.session.ask(url, stream=self.stream)

    def _page(self, reply: Reply, *, last: bool = False) -> Page:
        records = parse_path(self.data_selector).of(reply.body)
        if not isinstance(records, list):
            raise self._wrong(
                f"expected a list of records at '{self.data_selector}' (data_selector), found {_kind(records)}"
                + (" in " + _kind(reply.body) if records is MISSING else "")
            )
        return Page(records, reply.exact, last)

    def _marker(self, reply: Reply, path: str, kind: type, key: str, meaning: str) -> Any:
        value = parse_path(path).of(reply.body)
        if type(value) is not kind:
            raise self._wrong(f"expected {meaning} ({kind.__name__}) at '{path}' ({key}), found {_kind(value)}")
        return value

    def _new(self, value: str | int, seen: set[str | int], where: str) -> str | int:
        if value in seen:
            raise self._wrong(f"no progress: '{where}' gives the same value as an earlier page")
        seen.add(value)
        return value

    def _moved_on(self, records: list[Any], before: list[Any] | None, param: str) -> None:
        if records and records == before:
            raise self._wrong(f"no progress: the service does not heed '{param}', two pages in a row are the same")

    def _wrong(self, what: str) -> PermanentFailure:
        return PermanentFailure(
            f"{self.session.service}/{self.stream}: {self.path}: {what}. Correct the endpoint in "
            f"services/{self.session.service}.yaml, or look at what the service answers"
        )


def _kind(value: Any) -> str:
    """What a value is, without showing it: bodies may hold anybody's data."""
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    if value is MISSING:
        return "nothing"
    return "null" if value is None else names.get(type(value), "something else")
