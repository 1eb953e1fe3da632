"""The local service that stands in for the real one answers as the declaration says."""

from typing import Any

import numpy as np
import orjson
import pytest
from rehearsals import PAYLOAD, Clock, charges

from cx_orchestration.integration.loadtest.local_service import Asked, LocalService
from cx_orchestration.integration.loadtest.schedule import Slices, Stopwatch
from cx_orchestration.integration.loadtest.shelf import Shelf
from cx_orchestration.integration.loadtest.templates import number_of, templates_of
from cx_orchestration.model.endpoint import (
    CursorPaginator,
    HeaderCursorPaginator,
    OffsetPaginator,
    PageNumberPaginator,
)


def walked(endpoint: dict[str, Any], records: int = 7, **arriving: int) -> tuple[list[int], list[Any]]:
    """The numbers of the records that the local service lists, page by page, and the pages' bodies without them.

    With ``arriving``, only so many ``first`` and the rest after the first page.
    """
    in_body = any(name.endswith("_body_path") for name in endpoint["paginator"])
    stream = charges(**endpoint, method="POST" if in_body else "GET")
    assert stream.updated_at is not None and stream.endpoint is not None
    clock = Clock()
    stopwatch = Stopwatch(clock, clock.sleep)
    stopwatch.start()
    moments = np.arange(records, dtype=np.int64) * 1000
    shelf = Shelf(
        stream, stream.updated_at, templates_of(stream, stream.updated_at, [PAYLOAD]), moments, Slices.of(1, 1)
    )
    service = LocalService({"charges": shelf}, stopwatch, page_size=3)
    clock.now += (arriving.get("first", records) - 1) / 1000
    how = stream.endpoint.paginator
    numbers, bodies = [], []
    params = {"page": "1"}
    body: dict[str, Any] = {}
    while len(bodies) < 9:
        answer = service(Asked("charges", "/charges", params, body))
        found = orjson.loads(answer.body)
        page = [number_of(record["id"]) for record in found.pop("data")]
        numbers += [number for number in page if number is not None]
        bodies.append(found)
        clock.now += 1
        match how:
            case PageNumberPaginator() if len(bodies) < found["pages"]:
                params = {"page": str(len(bodies) + 1)}
            case OffsetPaginator() if len(numbers) < found["total"]:
                body = {"page": {"offset": len(numbers), "limit": how.limit}}
            case CursorPaginator() if found.get("next"):
                body = {"after": found["next"]}
            case HeaderCursorPaginator() if "X-Next" in answer.headers:
                params = {"cursor": answer.headers["X-Next"]}
            case _:
                break
    return numbers, bodies


@pytest.mark.parametrize(
    "paginator",
    [
        {"type": "header_cursor", "cursor_header": "X-Next", "cursor_param": "cursor"},
        {"type": "cursor", "cursor_path": "next", "cursor_body_path": "after"},
        {"type": "cursor", "cursor_path": "next", "cursor_body_path": "after", "null_when_absent": True},
        {"type": "page_number", "total_pages_path": "pages"},
        {
            "type": "offset",
            "limit": 2,
            "limit_body_path": "page.limit",
            "offset_body_path": "page.offset",
            "total_path": "total",
        },
    ],
    ids=lambda paginator: "-".join(map(str, paginator.values())),
)
def test_the_local_service_pages_through_headers_bodies_and_counts_as_declared(paginator: dict[str, Any]) -> None:
    numbers, bodies = walked({"paginator": paginator, "complete_when": {"path": "state", "equals": "done"}})
    assert numbers == list(range(7))
    assert [body.get("state") for body in bodies] == [None] * (len(bodies) - 1) + ["done"]
    if paginator.get("null_when_absent"):
        assert "next" not in bodies[-1]


def test_a_listing_with_the_newest_first_is_not_shifted_by_what_arrives_meanwhile() -> None:
    cursor = {"type": "cursor", "cursor_path": "next", "cursor_body_path": "after"}
    order = {"by": "created", "direction": "descending"}
    numbers, _ = walked({"paginator": cursor, "order": order}, first=5)
    assert numbers == [4, 3, 2, 1, 0]
