"""With one of seven services hanging, the others' partitions are requested and finished as without it."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from demo_site import Site
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.definitions import build_defs
from cx_orchestration.sensors.integration_runs import integration_sensor


class Hanging:
    """A service that takes a request and does not answer before it is let go; then it is unavailable."""

    def __init__(self) -> None:
        self.let_go, self.requests = threading.Event(), 0

    def answer(self, request: Request) -> Response:
        self.requests += 1
        self.let_go.wait()
        return Response(status=503)


@pytest.fixture
def hanging(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """The best-scored service of the site hangs."""
    service, best = Hanging(), site.project.plan.approved()[0]
    file = site.folder / "services" / f"{best}.yaml"
    text = file.read_text(encoding="utf-8")
    assert text.count("client:\n") == 1
    file.write_text(text.replace("client:\n", "client:\n  timeout_seconds: 3600\n"), encoding="utf-8")
    server = HTTPServer(host="127.0.0.1", threaded=True)
    server.expect_request(re.compile(".*")).respond_with_handler(service.answer)
    with server:
        monkeypatch.setenv(f"CX_{best.upper()}_URL", f"http://127.0.0.1:{server.port}")
        yield service
        service.let_go.set()


def test_the_others_are_requested_and_finish_while_the_best_scored_service_still_hangs(
    site: Site, hanging: Hanging
) -> None:
    best, *others = site.project.plan.approved()
    assert len(others) == 6
    defs = build_defs(site.project)
    sensor = integration_sensor(site.project, patient=lambda awaited, *_: awaited != {best})
    with dg.DagsterInstance.ephemeral() as instance:

        def tick() -> Any:
            resources = dict(defs.resources or {})
            with dg.build_sensor_context(instance=instance, definitions=defs, resources=resources) as context:
                return sensor.evaluate_tick(context)

        requests = tick().run_requests
        assert [request.tags["cx/service"] for request in requests] == others
        job = defs.resolve_job_def("integration")
        for request in requests:
            assert job.execute_in_process(
                instance=instance, asset_selection=list(request.asset_selection), tags=dict(request.tags)
            ).success
        days = set(site.project.days() or ())
        for service in others:
            assert site.registry.integrated_days(service, site.project.services[service].streams) == days
        assert (hanging.requests, hanging.let_go.is_set()) == (1, False)

        assert f"{best} has not answered yet" in tick().skip_message
        assert hanging.requests == 1, "asked again while it has not answered"

        hanging.let_go.set()
        for thread in threading.enumerate():
            if thread.name == "cx-asking":
                thread.join()
        assert "HTTP 503. It is asked again after" in tick().skip_message
        assert f"{best} is left alone until" in tick().skip_message
        assert hanging.requests == 1
