"""What one stream asks its service for: pages, windows of time, limits, signs of completeness and of deletion.

Speaks the vocabulary of dlt's ``rest_api`` where that has a word for it. Belongs here: one endpoint. Does not belong
here: the connection (``connection.py``), and what records mean (``service.py``).
"""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from cx_orchestration.model.base import Declared, Slug
from cx_orchestration.model.values import Condition, TimeFormat, TimeOrPath, ValueOrPath

# --- paging ---------------------------------------------------------------------------------------------------------

#: Where in the JSON of a POST request something is put: names joined by dots.
BodyPath = Annotated[str, Field(pattern=r"^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$")]


class SinglePage(Declared):
    type: Literal["single_page"]


class PageNumberPaginator(Declared):
    """``?page=1``, 2, ... until a page has no records or, with ``total_pages_path``, until the page of that number.

    A record that leaves the list while it is paged takes another one along, which moves up to a page that was read. So
    a list of several pages is read again until two readings in a row agree; with ``total_path``, the number of all
    records, when that number changes or is not what came.
    """

    type: Literal["page_number"]
    page_param: str = "page"
    base_page: int = 1
    total_pages_path: str | None = Field(default=None, description="Path of the number of pages, when the body says")
    total_path: str | None = Field(default=None, description="Path of the number of all records, when the body says")


class OffsetPaginator(Declared):
    """``?offset=0``, 99, 198, ... until ``total_path`` is reached: each page begins with the last record of the one
    before, which shows whether the list moved meanwhile. The two ``..._body_path`` put the numbers into the JSON of a
    POST request instead."""

    type: Literal["offset"]
    limit: int = Field(gt=1)
    limit_param: str = "limit"
    offset_param: str = "offset"
    limit_body_path: BodyPath | None = None
    offset_body_path: BodyPath | None = None
    total_path: str

    @model_validator(mode="after")
    def _both_in_the_body(self) -> Self:
        if (self.limit_body_path is None) != (self.offset_body_path is None):
            raise ValueError("'limit_body_path' and 'offset_body_path' go together")
        return self


class CursorPaginator(Declared):
    """The next cursor stands in the body; paging ends when ``end_path`` equals ``end_value`` or, without
    ``end_path``, when the cursor is null.

    The cursor is sent as ``cursor_param`` or, for POST and GraphQL, put into the request's JSON at
    ``cursor_body_path``.
    """

    type: Literal["cursor"]
    cursor_path: str
    cursor_param: str | None = None
    cursor_body_path: BodyPath | None = None
    end_path: str | None = None
    end_value: bool | str = True
    null_when_absent: bool = Field(default=False, description="The last page leaves the cursor out instead of null")

    @model_validator(mode="after")
    def _goes_to_one_place(self) -> Self:
        if (self.cursor_param is None) == (self.cursor_body_path is None):
            raise ValueError("a cursor needs exactly one of 'cursor_param' and 'cursor_body_path'")
        return self


class HeaderCursorPaginator(Declared):
    """The next cursor stands in a header of the answer; paging ends when the header is absent or empty.

    Without ``cursor_param`` the header holds the address of the next page.
    """

    type: Literal["header_cursor"]
    cursor_header: str
    cursor_param: str | None = None


class LastIdPaginator(Declared):
    """The id of the last record goes into ``cursor_param`` as long as ``has_more_path`` is true or, where that is
    null, until a page has no records."""

    type: Literal["last_id"]
    id_path: str = "id"
    cursor_param: str = "starting_after"
    has_more_path: str | None = "has_more"


class NextUrlPaginator(Declared):
    """The body holds the address of the next page, absolute or relative; it must stay on the service's host."""

    type: Literal["next_url"]
    next_url_path: str
    done_path: str | None = Field(default=None, description="A boolean that must be true on the last page")


class LinkHeaderPaginator(Declared):
    """RFC 8288 ``Link: <...>; rel="next"``."""

    type: Literal["link_header"]


Paginator = Annotated[
    SinglePage
    | PageNumberPaginator
    | OffsetPaginator
    | CursorPaginator
    | HeaderCursorPaginator
    | LastIdPaginator
    | NextUrlPaginator
    | LinkHeaderPaginator,
    Field(discriminator="type"),
]

# --- windows and limits ---------------------------------------------------------------------------------------------


class Window(Declared):
    """What ``{window.start}`` and ``{window.end}`` in the endpoint's path, parameters and JSON become.

    The window asked for is half open, ``[start, end)``. ``start: exclusive`` says that the API leaves out the instant
    named as lower bound, so the last unit of ``format`` before the start is sent; ``end: inclusive`` that its upper
    bound includes the instant named, so the last unit before the end is sent. ``granularity`` says that the API looks
    at whole minutes, hours or days of UTC however precise the bounds are: then the bounds are widened to whole ones.
    Records are filtered to the window again on our side whatever the API does.
    """

    format: TimeFormat = "iso"
    start: Literal["inclusive", "exclusive"] = "inclusive"
    end: Literal["exclusive", "inclusive"] = "exclusive"
    granularity: Literal["minute", "hour", "day"] | None = None
    max_days: int = Field(default=31, ge=1, description="The longest range that is asked for in one query")


class Order(Declared):
    """The order in which the service lists, held against every page: a page out of order fails.

    A listing that is ordered by the path of ``updated_at`` is read only as far as it can hold records of the days asked
    for: it needs no window, or one without an end.
    """

    by: str = Field(description="Path of a time, number or text in the record")
    direction: Literal["ascending", "descending"] = "ascending"


class TieBreak(Declared):
    """How to go on behind a result cap: ask for ids greater than the greatest seen.

    ``{tie_break.id}`` in parameters or JSON becomes ``first`` and then the last id of the results so far; the service
    must list by that id, ascending.
    """

    id_path: str = "id"
    first: str = "0"


class CompleteWhen(Declared):
    """What the last page must say; else the answer is not whole yet, and the days are asked for again later."""

    path: str
    equals: bool | int | str


def _paginator_may_be_the_clients(schema: dict[str, Any]) -> None:
    schema["required"].remove("paginator")


class Endpoint(Declared):
    # A field named ``json`` would hide a method of pydantic's. The client's paginator is handed down before validation.
    model_config = ConfigDict(serialize_by_alias=True, json_schema_extra=_paginator_may_be_the_clients)

    path: str = Field(description="Below base_url; ${NAME} is taken from the environment, for the id of a list")
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, str | int | bool] = Field(default_factory=dict)
    body: dict[str, Any] | None = Field(default=None, alias="json", description="JSON of a POST request")
    data_selector: str = Field(
        description="Path of the list of records; '$' when the body is the list itself; 'orders[*].lines' for the "
        "lists inside of records, which are then found under _parent"
    )
    paginator: Paginator
    window: Window | None = Field(default=None, description="Absent: everything is listed, then filtered by time")
    order: Order | None = None
    max_results_per_query: int | None = Field(
        default=None, gt=0, description="Where the service cuts results off; reaching it splits the window"
    )
    tie_break: TieBreak | None = None
    complete_when: CompleteWhen | None = None
    required_keys: list[str] = Field(
        default_factory=list, description="Paths that every record has; a page on which none has them fails"
    )
    absent_when_empty: bool = Field(
        default=False, description="A page that says 'complete_when' but lacks 'data_selector' has no records"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.body is not None) and self.method != "POST":
            raise ValueError("'json' needs method POST")
        if self.method != "POST" and any(
            name.endswith("_body_path") and path is not None for name, path in self.paginator
        ):
            raise ValueError("a paginator that puts its values into the JSON of the request needs method POST")
        if self.absent_when_empty and self.complete_when is None:
            raise ValueError("'absent_when_empty' needs 'complete_when': else an error would pass for an empty page")
        if self.tie_break is not None and self.max_results_per_query is None:
            raise ValueError("'tie_break' goes with 'max_results_per_query'")
        return self


# --- deletions and parents ------------------------------------------------------------------------------------------


class FlagTombstones(Declared):
    """A record says itself that it was deleted."""

    type: Literal["flag"]
    when: list[Condition] = Field(min_length=1, description="All must hold")


class FeedTombstones(Declared):
    """Another endpoint lists what was deleted: a feed of events, or a list of deleted records."""

    type: Literal["feed"]
    endpoint: Endpoint
    when: list[Condition] = Field(default_factory=list, description="Which entries are deletions; all must hold")
    record_id: ValueOrPath = Field(description="The id of the deleted record in an entry")
    deleted_at: TimeOrPath


class SnapshotTombstones(Declared):
    """A listing of everything there is: a record that landed before and is not listed any more was deleted.

    It is the stream's own, which then has no window, or that of ``endpoint``.
    """

    type: Literal["snapshot"]
    endpoint: Endpoint | None = None

    @model_validator(mode="after")
    def _lists_everything(self) -> Self:
        if self.endpoint is not None and (self.endpoint.window is not None or self.endpoint.order is not None):
            raise ValueError("an endpoint of snapshot tombstones lists everything: it has no 'window' and no 'order'")
        return self


Tombstones = Annotated[FlagTombstones | FeedTombstones | SnapshotTombstones, Field(discriminator="type")]


class Parent(Declared):
    """One listing for each record of another stream that landed on the day.

    ``{parent.PATH}`` in the endpoint's path, parameters and JSON becomes what the parent record has there. The paths
    in ``include_from_parent`` are added to each record under ``_parent``. Records belong to their parent's day.
    """

    stream: Slug
    when: list[Condition] = Field(default_factory=list, description="Which parents are asked for; all must hold")
    gone: Literal["fail", "skip"] = Field(default="fail", description="What 404 or 410 for one parent means")
    include_from_parent: list[Slug] = Field(default_factory=list)
