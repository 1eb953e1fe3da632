"""A federated service as Dagster opens, copies and closes it."""

import shutil
from contextlib import closing
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pytest_httpserver import HTTPServer

from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService, resource_key
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.usage import RegistryUsage


@pytest.fixture
def folder(tmp_path: Path) -> str:
    with as_file(files("cx_orchestration.demo") / "project") as project:
        shutil.copytree(project, tmp_path / "project")
    return str(tmp_path / "project")


def test_a_run_gets_an_open_service_and_leaves_it_closed(folder: str) -> None:
    seen: list[FederatedService] = []
    sources: list[ServiceSource] = []

    @dg.asset(required_resource_keys={resource_key("stripe")})
    def first(context: dg.AssetExecutionContext) -> None:
        service: Any = getattr(context.resources, resource_key("stripe"))
        seen.append(service)
        sources.append(service.source)

    @dg.asset(deps=[first])
    def second(stripe_service: FederatedService) -> None:
        seen.append(stripe_service)
        sources.append(stripe_service.source)

    declared = FederatedService(project=folder, service="stripe")
    result = dg.materialize([first, second], resources={resource_key("stripe"): declared})
    assert result.success
    assert sources[0] is sources[1] and sources[0].service == "stripe"
    assert all(service.source is not sources[0] for service in [*seen, declared])


def test_a_sensor_gets_an_open_service(folder: str) -> None:
    @dg.sensor(job_name="any")
    def asks(stripe_service: FederatedService) -> dg.SkipReason:
        return dg.SkipReason(stripe_service.source.service)

    resources = {resource_key("stripe"): FederatedService(project=folder, service="stripe")}
    with dg.build_sensor_context(resources=resources) as context:
        assert asks(context) == dg.SkipReason("stripe")


def test_it_opens_outside_of_dagster_as_well(folder: str) -> None:
    with FederatedService(project=folder, service="zendesk").opened() as service:
        assert service.source.service == "zendesk"


def test_a_service_that_is_not_declared_is_named(folder: str) -> None:
    with (
        FederatedService(project=folder, service="stripes").opened() as service,
        pytest.raises(PermanentFailure, match=r"declares no service 'stripes'; it has discourse, .*stripe"),
    ):
        _ = service.source


def test_the_configuration_that_dagster_shows_has_no_credentials(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CX_STRIPE_TOKEN", "sk_canary")
    with FederatedService(project=folder, service="stripe").opened() as service:
        assert "sk_canary" not in repr(service) + str(service.model_dump())


def test_what_all_runs_share_is_in_the_projects_registry_and_given_back_at_the_end(
    folder: str, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(folder) / "services" / "stripe.yaml"
    declared = file.read_text().replace("client:\n", "client:\n  rate: {per_day: 1000000, concurrency: 1}\n", 1)
    file.write_text(declared)
    monkeypatch.setenv("CX_STRIPE_URL", httpserver.url_for(""))
    monkeypatch.setenv("CX_STRIPE_TOKEN", "t")
    httpserver.expect_request("/q").respond_with_json({})
    for _ in range(2):
        with FederatedService(project=folder, service="stripe", lake_root=f"{folder}/lake").opened() as service:
            for _ in range(3):
                service.source.session.ask("/q")
    with closing(Registry(CXProject.load(folder).registry_url(f"{folder}/lake"))) as registry:
        usage = RegistryUsage(registry.engine)
        assert usage.change("stripe", lambda usage: (usage, usage.asked)) == 6
        assert usage.change_leases("stripe", lambda leases: (leases, list(leases))) == []
