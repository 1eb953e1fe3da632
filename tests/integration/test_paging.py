"""Each paginator against a server: all records in order, and a failure where public extractors stop early."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from integration_fakes import PERSON, answers, json_response, session_for
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.integration.paging import Listing
from cx_orchestration.integration.windows import query
from cx_orchestration.model.endpoint import Endpoint
from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure

ROWS = [{"id": f"r{n}"} for n in range(7)]

SINGLE = {"type": "single_page"}
PAGE_NUMBER = {"type": "page_number", "page_param": "page", "base_page": 1}
OFFSET = {"type": "offset", "limit": 3, "limit_param": "count", "offset_param": "skip", "total_path": "meta.total"}
CURSOR = {"type": "cursor", "cursor_path": "meta.next", "cursor_param": "after"}
CURSOR_END = {**CURSOR, "end_path": "meta.end"}
LAST_ID = {"type": "last_id", "id_path": "id", "cursor_param": "starting_after", "has_more_path": "has_more"}
NEXT_URL = {"type": "next_url", "next_url_path": "next"}
NEXT_URL_DONE = {"type": "next_url", "next_url_path": "next", "done_path": "done"}
LINK = {"type": "link_header"}


def listing(httpserver: HTTPServer, paginator: dict[str, Any], **changes: Any) -> Listing:
    declared = {"path": "/rows", "params": {"q": "a b"}, "data_selector": "data", "paginator": paginator, **changes}
    endpoint = Endpoint.model_validate(declared)
    session = session_for(httpserver.url_for("/api"), max_attempts=1, rate={"per_second": 1000})
    always = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    return Listing(session, "rows", endpoint, query(endpoint, always, always, ZoneInfo("UTC")))


def read(listing: Listing) -> list[Any]:
    return [record for page in listing.pages() for record in page.records]


def whole_server(httpserver: HTTPServer, kind: str) -> None:
    """A server that pages through ROWS three at a time, in the way a paginator expects."""

    def handle(request: Request) -> Response:
        arg = request.args.get
        assert arg("q") == "a b" or kind in ("next_url", "link")
        after = arg("after") or arg("starting_after")
        start = {
            "page_number": (int(arg("page", "1")) - 1) * 3,
            "offset": int(arg("skip", "0")),
        }.get(kind, int(arg("from", "0")) if after is None else int(after.lstrip("r")) + 1)
        rows, end = ROWS[start : start + 3], start + 3 >= len(ROWS)
        following = None if end else f"/api/rows?from={start + 3}"
        body = {
            "data": rows,
            "meta": {"total": len(ROWS), "next": None if end else rows[-1]["id"], "end": end},
            "has_more": not end,
            "next": following,
            "done": end,
        }
        link = {} if end else {"Link": f'<{following}>; rel="prev next", </api/rows>; rel="first"'}
        return json_response(body, headers=link)

    httpserver.expect_request("/api/rows").respond_with_handler(handle)


@pytest.mark.parametrize(
    ("kind", "paginator", "requests"),
    [
        ("page_number", PAGE_NUMBER, 4),
        ("offset", OFFSET, 3),
        ("cursor", CURSOR, 3),
        ("last_id", LAST_ID, 3),
        ("next_url", NEXT_URL, 3),
        ("next_url", NEXT_URL_DONE, 3),
        ("link", LINK, 3),
    ],
)
def test_every_record_is_read_once_in_order(
    httpserver: HTTPServer, kind: str, paginator: dict[str, Any], requests: int
) -> None:
    whole_server(httpserver, kind)
    pages = listing(httpserver, paginator)
    assert read(pages) == ROWS
    assert pages.session.requests == requests
    httpserver.check_assertions()


def test_a_cursor_with_an_end_marker_may_stay_set_on_the_last_page(httpserver: HTTPServer) -> None:
    serve(
        httpserver,
        {"data": [1], "meta": {"next": "a", "end": False}},
        {"data": [2], "meta": {"next": "b", "end": True}},
    )
    assert read(listing(httpserver, CURSOR_END)) == [1, 2]


def test_an_end_marker_may_be_a_word(httpserver: HTTPServer) -> None:
    serve(httpserver, {"data": [1], "meta": {"next": "a", "end": "no"}}, {"data": [], "meta": {"end": "yes"}})
    assert read(listing(httpserver, {**CURSOR_END, "end_value": "yes"})) == [1]


def test_a_single_page_may_be_the_list_itself(httpserver: HTTPServer) -> None:
    serve(httpserver, [1, 2])
    assert read(listing(httpserver, SINGLE, data_selector="$")) == [1, 2]


def test_the_last_page_says_that_it_is_the_last(httpserver: HTTPServer) -> None:
    whole_server(httpserver, "last_id")
    assert [page.last for page in listing(httpserver, LAST_ID).pages()] == [False, False, True]


def serve(httpserver: HTTPServer, *bodies: Any) -> None:
    httpserver.expect_request("/api/rows").respond_with_handler(answers(*map(json_response, bodies)))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"error": {"message": "maintenance"}}, "nothing in an object"),
        ({"data": {"a": 1}}, "an object"),
        ({"data": None}, "null"),
        ({"data": "text"}, "text"),
        ([], "nothing in a list"),
        (None, "nothing in null"),
    ],
)
@pytest.mark.parametrize("paginator", [PAGE_NUMBER, OFFSET, CURSOR, LAST_ID, NEXT_URL, LINK, SINGLE])
def test_a_page_without_a_list_of_records_fails(
    httpserver: HTTPServer, paginator: dict[str, Any], body: Any, found: str
) -> None:
    serve(httpserver, body)
    with pytest.raises(
        PermanentFailure, match=rf"billing/rows: /rows: expected a list .*'data'.*found {found}"
    ) as caught:
        read(listing(httpserver, paginator))
    assert "maintenance" not in str(caught.value)
    assert "services/billing.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("paginator", "body", "key"),
    [
        (OFFSET, {"data": [1]}, "total_path"),
        (OFFSET, {"data": [1], "meta": {"total": "7"}}, "total_path"),
        (OFFSET, {"data": [1], "meta": {"total": True}}, "total_path"),
        (CURSOR, {"data": [1]}, "cursor_path"),
        (CURSOR, {"data": [1], "meta": {"next": {"a": 1}}}, "cursor_path"),
        (CURSOR, {"data": [1], "meta": {"next": ""}}, "cursor_path"),
        (CURSOR_END, {"data": [1], "meta": {"next": "a"}}, "end_path"),
        (CURSOR_END, {"data": [1], "meta": {"next": "a", "end": 1}}, "end_path"),
        (CURSOR_END, {"data": [1], "meta": {"next": None, "end": False}}, "cursor_path"),
        (LAST_ID, {"data": [{"id": 1}]}, "has_more_path"),
        (LAST_ID, {"data": [{"id": 1}], "has_more": "true"}, "has_more_path"),
        (LAST_ID, {"data": [{"key": 1}], "has_more": True}, "id_path"),
        (NEXT_URL, {"data": [1]}, "next_url_path"),
        (NEXT_URL, {"data": [1], "next": 7}, "next_url_path"),
        (NEXT_URL_DONE, {"data": [1], "next": "/x"}, "done_path"),
        (NEXT_URL_DONE, {"data": [1], "done": False}, "next_url_path"),
    ],
)
def test_a_missing_or_odd_marker_fails_and_is_named(
    httpserver: HTTPServer, paginator: dict[str, Any], body: Any, key: str
) -> None:
    serve(httpserver, body)
    with pytest.raises(PermanentFailure, match=rf"\({key}\)"):
        read(listing(httpserver, paginator))


@pytest.mark.parametrize(
    ("paginator", "body"),
    [
        (PAGE_NUMBER, {"data": [1, 2]}),
        (OFFSET, {"data": [1, 2], "meta": {"total": 9}}),
        (CURSOR, {"data": [1], "meta": {"next": "same"}}),
        (LAST_ID, {"data": [{"id": "same"}], "has_more": True}),
        (NEXT_URL, {"data": [1], "next": "/api/rows?page=2"}),
    ],
)
def test_paging_that_makes_no_progress_fails(httpserver: HTTPServer, paginator: dict[str, Any], body: Any) -> None:
    serve(httpserver, body)
    pages = listing(httpserver, paginator)
    with pytest.raises(PermanentFailure, match="no progress"):
        read(pages)
    assert pages.session.requests <= 3


def test_a_cursor_that_comes_back_after_a_while_fails(httpserver: HTTPServer) -> None:
    serve(httpserver, *[{"data": [n], "meta": {"next": cursor}} for n, cursor in enumerate("abca")])
    with pytest.raises(PermanentFailure, match="no progress"):
        read(listing(httpserver, CURSOR))


def test_a_link_header_that_leads_in_circles_fails(httpserver: HTTPServer) -> None:
    reply = json_response({"data": [1]}, headers={"Link": '</api/rows?page=2>; rel="next"'})
    httpserver.expect_request("/api/rows").respond_with_handler(answers(reply))
    with pytest.raises(PermanentFailure, match="no progress"):
        read(listing(httpserver, LINK))


def test_an_empty_page_before_the_promised_total_fails(httpserver: HTTPServer) -> None:
    serve(httpserver, {"data": [1, 2], "meta": {"total": 5}}, {"data": [], "meta": {"total": 5}})
    with pytest.raises(PermanentFailure, match=r"offset 1 is empty.*promises 5"):
        read(listing(httpserver, OFFSET))


def test_a_page_without_anything_new_before_the_promised_total_fails(httpserver: HTTPServer) -> None:
    serve(httpserver, {"data": [1, 2], "meta": {"total": 5}}, {"data": [2], "meta": {"total": 5}})
    with pytest.raises(PermanentFailure, match=r"offset 1 has nothing new.*promises 5"):
        read(listing(httpserver, OFFSET))


def test_more_records_promised_on_an_empty_page_fails(httpserver: HTTPServer) -> None:
    serve(httpserver, {"data": [], "has_more": True})
    with pytest.raises(PermanentFailure, match="promises more records"):
        read(listing(httpserver, LAST_ID))


def test_offsets_count_what_came_when_the_service_caps_its_pages(httpserver: HTTPServer) -> None:
    serve(
        httpserver,
        {"data": [1, 2], "meta": {"total": 3}},  # three were asked for
        {"data": [2, 3], "meta": {"total": 3}},
    )
    assert read(listing(httpserver, OFFSET)) == [1, 2, 3]
    assert httpserver.log[1][0].args["skip"] == "1"


def moving_list(httpserver: HTTPServer, *states: list[int]) -> None:
    """A list that is read by offset, in another state at each request, the last one for ever."""
    left = list(states)

    def handle(request: Request) -> Response:
        state = left.pop(0) if len(left) > 1 else left[0]
        first, count = int(request.args["skip"]), int(request.args["count"])
        return json_response({"data": state[first : first + count], "meta": {"total": len(state)}})

    httpserver.expect_request("/api/rows").respond_with_handler(handle)


@pytest.mark.parametrize(
    ("states", "given", "asked"),
    [
        # what leaves from the part that was read moves up what was not
        (([1, 2, 3, 4, 5], [2, 3, 4, 5]), [1, 2, 3, 4, 5], [0, 2, 0, 2]),
        # the total stays the same, and tells nothing
        (([1, 2, 3, 4, 5], [2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6], [0, 2, 0, 2]),
        # what comes first moves down what was read: it comes again, and nothing is lost
        (([1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]), [1, 2, 3, 4, 5], [0, 2, 4]),
        # nothing of the page before is left: from the start
        (([1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7]), [1, 2, 3, 4, 5, 6, 7], [0, 2, 0, 0, 2]),
        # all are gone
        (([1, 2, 3, 4], []), [1, 2, 3], [0, 2, 0, 0]),
    ],
)
def test_a_list_that_moves_while_it_is_paged_by_offset_loses_nothing(
    httpserver: HTTPServer, states: tuple[list[int], ...], given: list[int], asked: list[int]
) -> None:
    moving_list(httpserver, *states)
    assert sorted(set(read(listing(httpserver, OFFSET)))) == given
    assert [int(request.args["skip"]) for request, _ in httpserver.log] == asked


def test_a_list_that_never_rests_is_asked_for_again_later(httpserver: HTTPServer) -> None:
    moving_list(httpserver, *([n, n + 1, n + 2, n + 3] for n in range(0, 400, 4)))
    with pytest.raises(TransientFailure, match=r"records left the list while it was paged, each of 3 times"):
        read(listing(httpserver, OFFSET))


def test_a_number_of_records_that_changes_has_a_list_of_pages_read_again(httpserver: HTTPServer) -> None:
    serve(
        httpserver,
        {"data": [1, 2], "meta": {"total": 4}},
        {"data": [4], "meta": {"total": 3}},
        {"data": [2, 3], "meta": {"total": 3}},
        {"data": [4], "meta": {"total": 3}},
    )
    assert read(listing(httpserver, {**PAGE_NUMBER, "total_path": "meta.total"})) == [1, 2, 2, 3, 4]
    assert len(httpserver.log) == 4, "no empty page is asked for"


def test_fewer_records_than_the_number_of_all_fail(httpserver: HTTPServer) -> None:
    serve(httpserver, {"data": [1, 2], "meta": {"total": 5}}, {"data": [], "meta": {"total": 5}})
    with pytest.raises(PermanentFailure, match=r"2 records came, but 'meta.total' promises 5"):
        read(listing(httpserver, {**PAGE_NUMBER, "total_path": "meta.total"}))


@pytest.mark.parametrize(
    ("paginator", "more"),
    [
        (PAGE_NUMBER, [{}, {}, {}, {}]),
        ({**PAGE_NUMBER, "total_path": "meta.total"}, [{"meta": {"total": 6}}] * 3),
        ({**LAST_ID, "has_more_path": None}, [{}, {}, {}, {}]),
    ],
)
def test_lists_inside_of_records_do_not_count_as_records(
    httpserver: HTTPServer, paginator: dict[str, Any], more: list[dict[str, Any]]
) -> None:
    """The second page has orders and no lines at all."""
    lines = [[["a", "b", "c"], []], [[], None], [["d"], ["e"]], []]
    orders = [
        [{"id": 10 * n + m, "lines": each and [{"sku": sku} for sku in each]} for m, each in enumerate(page)]
        for n, page in enumerate(lines)
    ]
    serve(httpserver, *({"data": page, **sign} for page, sign in zip(orders, more, strict=False)))
    found = read(listing(httpserver, paginator, data_selector="data[*].lines"))
    assert [line["sku"] for line in found] == ["a", "b", "c", "d", "e"]
    assert found[-1]["_parent"] == {"id": 21}


def test_lists_that_no_record_has_are_a_wrong_declaration(httpserver: HTTPServer) -> None:
    serve(httpserver, {"data": [{"id": 1}, {"id": 2}]})
    with pytest.raises(PermanentFailure, match=r"expected a list at 'lines' in each record .*found it in none"):
        read(listing(httpserver, SINGLE, data_selector="data[*].lines"))


@pytest.mark.parametrize("address", ["http://elsewhere.example/rows?page=2", "//elsewhere.example/rows"])
def test_the_next_page_must_be_on_the_services_host(httpserver: HTTPServer, address: str) -> None:
    serve(httpserver, {"data": [1], "next": address})
    with pytest.raises(PermanentFailure, match="another host"):
        read(listing(httpserver, NEXT_URL))
    httpserver.clear()
    reply = json_response({"data": [1]}, headers={"Link": f'<{address}>; rel="next"'})
    httpserver.expect_request("/api/rows").respond_with_handler(answers(reply))
    with pytest.raises(PermanentFailure, match="another host"):
        read(listing(httpserver, LINK))


def test_html_in_the_middle_of_paging_fails_the_listing(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/rows").respond_with_handler(
        answers(json_response({"data": [{"id": 1}], "has_more": True}), Response("<html>busy", mimetype="text/html"))
    )
    with pytest.raises(PermanentFailure, match="an HTML page"):
        read(listing(httpserver, LAST_ID))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (json_response({}, 404), "answers HTTP 404"),
        (json_response({}, 503), "answers HTTP 503"),
        (Response(b"<html>"), "answered 200 with an HTML page"),
        (Response(status=302, headers={"Location": f"/api/people/{PERSON}/other"}), "(redirected) answers HTTP 500"),
    ],
)
def test_what_was_filled_into_a_path_is_in_no_message(httpserver: HTTPServer, reply: Response, message: str) -> None:
    httpserver.expect_request(f"/api/people/{PERSON}/orders").respond_with_handler(answers(reply))
    declared = {"path": "/people/{parent.email}/orders?all=1", "data_selector": "data", "paginator": SINGLE}
    endpoint = Endpoint.model_validate(declared)
    session = session_for(httpserver.url_for("/api"), max_attempts=1)
    always = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    asked = query(endpoint, always, always, ZoneInfo("UTC"), {"parent.email": PERSON})
    with pytest.raises(Failure) as caught:
        read(Listing(session, "orders", endpoint, asked))
    assert str(caught.value).startswith("billing/orders: /api/people/{parent.email}/orders ")
    assert message in str(caught.value)
