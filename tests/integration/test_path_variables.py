"""Variables of the environment in the paths that a service is asked for."""

import datetime as dt
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from integration_fakes import ENVIRON, service_for, stream_for
from pytest_httpserver import HTTPServer

from cx_orchestration.integration.source import ServiceSource

NOW = dt.datetime(2026, 6, 2, tzinfo=dt.UTC)


def source(url: str, path: str, **environ: str) -> ServiceSource:
    endpoint = {"path": path, "data_selector": "data", "paginator": {"type": "single_page"}}
    declaration = service_for(url, {"members": stream_for(endpoint=endpoint)})
    return ServiceSource(declaration, zone=ZoneInfo("UTC"), folder=Path(), environ={**ENVIRON, **environ})


@pytest.mark.parametrize(("value", "segment"), [("a6b5", "a6b5"), ("../users?all=1", "..%2Fusers%3Fall%3D1")])
def test_a_variable_is_one_segment_of_the_path(httpserver: HTTPServer, value: str, segment: str) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_json({"data": []})
    (look,) = source(httpserver.url_for(""), "/lists/${LIST_ID}/members", LIST_ID=value).probe(NOW)
    assert look.failure is None
    ((request, _),) = httpserver.log
    assert request.environ["REQUEST_URI"] == f"/lists/{segment}/members"


def test_a_variable_that_is_not_set_fails_what_needs_it_and_is_named(httpserver: HTTPServer) -> None:
    (look,) = source(httpserver.url_for(""), "/lists/${LIST_ID}/members").probe(NOW)
    assert str(look.failure) == (
        "billing: the environment variable LIST_ID is not set; the service's declaration names it"
    )
    assert httpserver.log == []
