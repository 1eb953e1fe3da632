"""A probe of what stands beside a listing: children, deletions, sweeps; and of files."""

import datetime as dt
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from integration_fakes import answers as in_turn
from integration_fakes import json_response, service_for
from probed_desk import FIRST, NOW, RECORDS, TICKETS, Desk, probe_of, probed, said, told
from pytest_httpserver import HTTPServer
from werkzeug import Response

from cx_orchestration.integration.probe.canary import Probe
from cx_orchestration.integration.probe.findings import StreamReport
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.service import ServiceDeclaration, Stream

WHOLE = {"window": None, "params": {}}
IDS = {"path": "/ids", "data_selector": "tickets", "paginator": {"type": "single_page"}}
COMMENTS = {
    "endpoint": {
        "path": "/tickets/{parent.id}/comments",
        "data_selector": "comments",
        "paginator": {"type": "single_page"},
    },
    "parent": {"stream": "tickets", "gone": "skip"},
    "record_id": "id",
}


def children(httpserver: HTTPServer, answers: list[Response], **parent: Any) -> StreamReport:
    """The findings about the comments of tickets; the first tickets that are asked for have those of ``answers``."""
    httpserver.expect_request("/tickets").respond_with_handler(Desk())
    httpserver.expect_request(re.compile("/tickets/ticket-[0-9]+/comments")).respond_with_handler(in_turn(*answers))
    streams = {
        "comments": Stream.model_validate({**COMMENTS, "parent": {**COMMENTS["parent"], **parent}}),
        "tickets": Stream.model_validate(TICKETS),
    }
    probe = probe_of(service_for(httpserver.url_for(""), streams, max_attempts=1))
    (report,) = probe.report(["comments"]).streams
    probe.source.close()
    return report


NONE, SOME = json_response({"comments": []}), json_response({"comments": [{"id": "c1"}, {"id": "c2"}]})
GONE = json_response({}, 404)


@pytest.mark.parametrize("first", [NONE, GONE])
def test_children_are_asked_for_until_a_parent_has_some(httpserver: HTTPServer, first: Response) -> None:
    report = children(httpserver, [first, SOME])
    assert set(told(report).values()) == {"not applicable"}
    assert said(report, "data").startswith("2 records on the first page")


def test_parents_without_children_are_told_after_a_few(httpserver: HTTPServer) -> None:
    assert told(children(httpserver, [NONE])) == {"data": "warning", "end": "not applicable"}
    assert sum("comments" in request.path for request, _ in httpserver.log) == 3


def test_a_path_that_no_parent_has_is_told(httpserver: HTTPServer) -> None:
    assert told(children(httpserver, [GONE])) == {"parent": "warning"}
    httpserver.clear()
    assert told(children(httpserver, [GONE], gone="fail")) == {"page": "failed"}


def test_a_swept_record_that_differs_each_time_would_land_every_day(httpserver: HTTPServer) -> None:
    swept = {"updated_at": None, "sweep": "hash"}
    same = probed(httpserver, Desk(), swept, **WHOLE, order=None)
    assert "3 records read the same twice" in said(same, "sweep")
    httpserver.clear()
    signed = Desk(extra=lambda request: {"picture": f"https://pictures.example/{request}"})
    report = probed(httpserver, signed, swept, **WHOLE, order=None)
    assert told(report)["sweep"] == "warning"
    assert "3 of 3 records differ" in said(report, "sweep")


@pytest.mark.parametrize(
    ("listed", "status"),
    [(RECORDS, None), ([], "failed"), ([{"number": 1}], "failed"), ([{"id": "another"}], "failed")],
)
def test_a_listing_of_all_ids_must_list_those_of_the_stream(
    httpserver: HTTPServer, listed: list[dict[str, Any]], status: str | None
) -> None:
    httpserver.expect_request("/ids").respond_with_json({"tickets": listed})
    report = probed(httpserver, Desk(), {"tombstones": {"type": "snapshot", "endpoint": IDS}})
    assert told(report).get("tombstones") == status


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({"ticket": "t1", "at": NOW.isoformat()}, None),
        ({"ticket": None, "at": NOW.isoformat()}, "failed"),
        ({"ticket": "t1", "at": "yesterday"}, "warning"),
    ],
)
def test_a_feed_of_deletions_is_read_as_declared(httpserver: HTTPServer, entry: Any, status: str | None) -> None:
    httpserver.expect_request("/deleted").respond_with_json({"deleted": [entry]})
    endpoint = {"path": "/deleted", "data_selector": "deleted", "paginator": {"type": "single_page"}}
    feed = {"type": "feed", "endpoint": endpoint, "record_id": "ticket", "deleted_at": "at"}
    assert told(probed(httpserver, Desk(), {"tombstones": feed})).get("tombstones") == status


def test_a_feed_that_does_not_answer_fails_and_the_rest_is_told(httpserver: HTTPServer) -> None:
    endpoint = {"path": "/deleted", "data_selector": "deleted", "paginator": {"type": "single_page"}}
    feed = {"type": "feed", "endpoint": endpoint, "record_id": "ticket", "deleted_at": "at"}
    httpserver.expect_request("/deleted").respond_with_json({}, status=404)
    report = probed(httpserver, Desk(), {"tombstones": feed})
    assert told(report) == {"tombstones": "failed"}
    assert "HTTP 404" in said(report, "tombstones")


# --- files ----------------------------------------------------------------------------------------------------------


def till(folder: Path, content: bytes | None, name: str = "orders-2024-03-09.csv", **drop: str) -> StreamReport:
    """The findings about a file of orders."""
    (folder / "drops").mkdir(exist_ok=True)
    if content is not None:
        (folder / "drops" / name).write_bytes(content)
    stream = {
        "files": {"pattern": "drops/orders-{day}.csv", "format": "csv", **drop},
        "record_id": "order",
        "updated_at": "at",
        "events": [
            {
                "type": "order.placed",
                "occurred_at": "at",
                "channel": "store",
                "entity": "customer",
                "attributes": {"shop": "shop"},
            }
        ],
    }
    declared = {"service": "till", "kind": "files", "streams": {"orders": stream}}
    source = ServiceSource(ServiceDeclaration.model_validate(declared), zone=ZoneInfo("UTC"), folder=folder, environ={})
    (report,) = Probe(source, FIRST, NOW).report().streams
    assert report.requests == 0
    return report


GOOD = "order,at,customer,shop\n1,2024-03-09T10:00:00Z,Zoë,9\n2,2024-03-09T11:00:00Z,Ada,9\n".encode()


def test_files_as_declared_pass(tmp_path: Path) -> None:
    report = till(tmp_path, GOOD)
    assert told(report) == {"encoding": "not applicable"}
    assert said(report, "mapping").startswith("2 records gave 2 order.placed; 0 unmapped")
    assert said(report, "days").startswith("1 day named, 2024-03-09 to 2024-03-09")


@pytest.mark.parametrize(
    ("content", "drop", "expected"),
    [
        (None, {}, {"files": "warning"}),
        (GOOD, {"encoding": "latin-1"}, {"encoding": "warning"}),
        (GOOD, {"day_format": "%d.%m.%Y"}, {"days": "warning", "encoding": "not applicable"}),
        (GOOD.decode().encode("latin-1"), {}, {"readable": "failed", "encoding": "not applicable"}),
        (GOOD.decode().encode("latin-1"), {"encoding": "latin-1"}, {}),
        (GOOD.replace(b"shop", b"store"), {}, {"columns": "warning", "encoding": "not applicable"}),
        (GOOD.replace(b"customer", b"client"), {}, {"readable": "failed", "encoding": "not applicable"}),
        (GOOD.replace(b"2024-03-09T10:00:00Z", b"9 March"), {}, {
            "encoding": "not applicable", "times": "warning", "mapping": "warning",
        }),
    ],
    ids=["none", "not latin-1", "no day", "not utf-8", "latin-1", "column", "needed column", "time"],
)  # fmt: skip
def test_what_is_wrong_with_files_is_told(
    tmp_path: Path, content: bytes | None, drop: dict[str, str], expected: dict[str, str]
) -> None:
    assert told(till(tmp_path, content, **drop)) == expected


def test_days_between_without_a_file_are_counted(tmp_path: Path) -> None:
    till(tmp_path, GOOD, "orders-2024-03-05.csv")
    report = till(tmp_path, GOOD)
    assert said(report, "days").startswith("2 days named, 2024-03-05 to 2024-03-09, 3 days between without a file")


def test_a_missing_variable_is_told_without_a_request(httpserver: HTTPServer) -> None:
    declaration = service_for(httpserver.url_for(""), {"tickets": Stream.model_validate(TICKETS)})
    source = ServiceSource(declaration, zone=ZoneInfo("UTC"), folder=Path(), environ={})
    (report,) = Probe(source, FIRST, NOW, clock=lambda: dt.datetime.now(dt.UTC)).report().streams
    assert told(report) == {"connection": "failed"}
    assert "TOKEN" in said(report, "connection")
    assert httpserver.log == []
