"""The demo's project folder against the models of a project, and against the company it describes."""

import datetime as dt
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from cx_orchestration.demo import causes, people
from cx_orchestration.demo.company import NAME, TIME_ZONE, Company, generate
from cx_orchestration.demo.project_folder import write_project
from cx_orchestration.demo.serve import DemoServers
from cx_orchestration.demo.services.salesforce import LEAD_SOURCES, UNKNOWN_EMAIL
from cx_orchestration.demo.services.segment import TRACKS
from cx_orchestration.model.journey import DEFAULT_STAGES
from cx_orchestration.model.values import Value
from cx_orchestration.project import CXProject

EVENT_TYPES = {
    *("page.viewed", "product.viewed", "signup.completed", "checkout.started", "setup.started", "setup.completed"),
    *("delivery.delayed", "app.error", "referral.made"),
    *("newsletter.subscribed", "email.opened", "email.clicked", "lead.created", "contact.created"),
    *("payment.succeeded", "payment.failed", "refund.issued", "support.requested", "support.resolved"),
    *("community.joined", "community.posted", "feedback.given"),
}


@pytest.fixture(scope="module")
def project(small_company: Company, tmp_path_factory: pytest.TempPathFactory) -> CXProject:
    return CXProject.load(write_project(tmp_path_factory.mktemp("demo") / "project", small_company))


def test_the_folder_in_the_package_is_a_valid_project_of_ninety_days() -> None:
    with as_file(files("cx_orchestration.demo") / "project") as folder:
        settings = CXProject.load(folder).settings
    assert settings.end_date is not None
    assert (settings.end_date - settings.start_date).days == 89


def test_the_written_project_spans_the_days_of_the_company(project: CXProject) -> None:
    settings = project.settings
    assert (settings.name, settings.time_zone) == (NAME, TIME_ZONE.key)
    assert (settings.start_date, settings.end_date) == (dt.date(2026, 6, 1), dt.date(2026, 6, 30))


def test_a_second_copy_keeps_what_else_lies_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "project.yaml").write_text("name: old\n")
    write_project(tmp_path, generate(seed=1, customers=30, days=5, start=dt.date(2026, 11, 1)))
    assert (tmp_path / "lake").is_dir()
    assert CXProject.load(tmp_path).settings.end_date == dt.date(2026, 11, 5)


def test_every_stream_is_declared_and_served(small_company: Company, project: CXProject) -> None:
    declared = {name: set(service.streams) for name, service in project.services.items()}
    assert declared == {name: set(streams) for name, streams in small_company.records.items()}


def test_the_mappings_give_exactly_the_event_types_of_the_company(project: CXProject) -> None:
    given: set[str] = set()
    for service in project.services.values():
        for stream in service.streams.values():
            for event in stream.events:
                given |= set((event.type.map or {}).values()) if isinstance(event.type, Value) else {event.type}
    assert given == EVENT_TYPES


def test_values_of_the_records_are_known_to_the_mappings(project: CXProject) -> None:
    declared = project.services
    contacts = declared["salesforce"].streams["contacts"].profile
    assert contacts is not None
    assert contacts.attributes["acquisition"].map == {label: value for value, label in LEAD_SOURCES.items()}
    assert set(LEAD_SOURCES) == set(people.ACQUISITION)
    tracks = declared["segment"].streams["events"].events[1].type
    assert isinstance(tracks, Value)
    assert tracks.map == {label: kind for kind, label in TRACKS.items()}
    identity = project.identity
    assert UNKNOWN_EMAIL in identity.namespaces["email"].ignore


def test_keys_are_of_declared_namespaces_and_phones_never_link(project: CXProject) -> None:
    identity = project.identity
    used: set[str] = set()
    for service in project.services.values():
        for stream in service.streams.values():
            used |= set(stream.profile.keys) if stream.profile else set()
            used |= {key for event in stream.events for key in event.keys}
    assert used == set(identity.namespaces)
    assert identity.namespaces["phone"].strength == "household"


def test_the_environment_has_every_variable_that_the_services_name(small_company: Company, project: CXProject) -> None:
    environment = DemoServers(small_company).environment(1)
    for name, service in project.services.items():
        assert service.client is not None
        assert service.client.base_url == f"${{CX_{name.upper()}_URL}}"
        named = service.client.auth.model_dump()
        wanted = [value for key, value in named.items() if key.endswith("_env") and isinstance(value, str)]
        wanted += list(named.get("headers_env", {}).values())
        assert wanted and set(wanted) <= set(environment)


def test_the_seven_services_are_approved_and_the_chat_widget_waits(project: CXProject) -> None:
    assert set(project.plan.approved()) == set(project.services)
    assert [row.service for row in project.plan.rows if row.status == "proposed"] == ["chat_widget"]


def test_planted_findings_name_what_the_journey_declares(project: CXProject) -> None:
    journey = project.journeys["customer_lifecycle"]
    assert journey.stages == DEFAULT_STAGES
    for planted in causes.PLANTED:
        assert planted.step is None or planted.step in journey.steps
        assert planted.segment in [*journey.segments, "friction"]
    assert "delivery.delayed" in journey.friction_events
