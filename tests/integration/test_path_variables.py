"""Variables of the environment in the paths that a service is asked for."""

import datetime as dt
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from integration_fakes import ENVIRON, service_for, stream_for
from pytest_httpserver import HTTPServer

from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.failures import PermanentFailure

NOW = dt.datetime(2026, 6, 2, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def source(url: str, path: str, **environ: str) -> ServiceSource:
    endpoint = {"path": path, "data_selector": "data", "paginator": {"type": "single_page"}}
    declaration = service_for(url, {"members": stream_for(endpoint=endpoint)})
    return ServiceSource(declaration, zone=ZoneInfo("UTC"), folder=Path(), environ={**ENVIRON, **environ})


@pytest.mark.parametrize(("value", "segment"), [("a6b5", "a6b5"), ("../users?all=1", "..%2Fusers%3Fall%3D1")])
def test_a_variable_is_one_segment_of_the_path(httpserver: HTTPServer, value: str, segment: str) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_json({"data": []})
    members = source(httpserver.url_for(""), "/lists/${LIST_ID}/members", LIST_ID=value)
    assert not members.has_new("members", NOW - DAY, NOW)
    ((request, _),) = httpserver.log
    assert request.environ["REQUEST_URI"] == f"/lists/{segment}/members"


def test_a_variable_that_is_not_set_fails_what_needs_it_and_is_named(httpserver: HTTPServer) -> None:
    missing = "the environment variable LIST_ID is not set; the service's declaration names it"
    with pytest.raises(PermanentFailure, match=missing):
        source(httpserver.url_for(""), "/lists/${LIST_ID}/members").has_new("members", NOW - DAY, NOW)
    assert httpserver.log == []


def test_a_variable_in_the_path_of_a_listing_of_ids_is_filled_in_too(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/lists/a6b5/ids").respond_with_json({"data": [{"id": 7}]})
    endpoint = {"path": "/lists/${LIST_ID}/ids", "data_selector": "data", "paginator": {"type": "single_page"}}
    streams = {"members": stream_for(tombstones={"type": "snapshot", "endpoint": endpoint})}
    declaration = service_for(httpserver.url_for(""), streams)
    members = ServiceSource(declaration, zone=ZoneInfo("UTC"), folder=Path(), environ={**ENVIRON, "LIST_ID": "a6b5"})
    ids = members.existing("members")
    assert ids is not None
    assert list(ids) == [["7"]]
