"""What a rollout leaves of the project: streams by name, by part of the journey, and from a day on."""

import datetime as dt
from pathlib import Path

import pytest

from cx_orchestration.demo.company import generate
from cx_orchestration.demo.project_folder import write_project
from cx_orchestration.model.endpoint import Parent
from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.project import CXProject
from cx_orchestration.project.rollout import what_is_due

NOW = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def company_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("rollout") / "project", generate(seed=7, customers=2, days=12))


def rolled_out(folder: Path, rollout: str) -> CXProject:
    text = (folder / "project.yaml").read_text(encoding="utf-8").split("\nrollout:")[0]
    (folder / "project.yaml").write_text(f"{text}\nrollout: {rollout}\n", encoding="utf-8")
    return CXProject.load(folder)


def due(project: CXProject) -> dict[str, tuple[str, ...]]:
    return {service: project.due(service, NOW).streams for service in project.services_due()}


def test_without_a_rollout_every_stream_of_every_approved_service_is_due(company_folder: Path) -> None:
    project = rolled_out(company_folder, "{}")
    assert due(project) == {name: tuple(project.services[name].streams) for name in project.plan.approved()}
    assert project.due("stripe", NOW).days == project.days(NOW)


def test_named_streams_alone_are_due_and_the_others_say_why_not(company_folder: Path) -> None:
    project = rolled_out(company_folder, "{streams: {stripe: [charges], zendesk: all}}")
    assert due(project) == {"stripe": ("charges",), "zendesk": ("users", "tickets")}
    outside = project.due("stripe", NOW).outside
    assert set(outside) == set(project.services["stripe"].streams) - {"charges"}
    assert all("rollout.streams.stripe" in why and "project.yaml" in why for why in outside.values())
    assert "rollout.streams does not name survey" in project.refusals()["survey"]


def test_a_part_of_the_journey_takes_the_streams_whose_events_lead_to_or_from_its_steps(company_folder: Path) -> None:
    project = rolled_out(company_folder, "{stages: {customer_lifecycle: [sales]}}")
    wanted = project.journeys["customer_lifecycle"].event_types_at(["sales"])
    assert wanted == {"checkout.started", "payment.succeeded", "setup.started", "setup.completed", "referral.made"}
    for service, streams in due(project).items():
        for name in streams:
            stream = project.services[service].streams[name]
            assert wanted & {kind for event in stream.events for kind in event.types} or not stream.events
    assert "zendesk" not in due(project)  # asking for support is no transition
    assert "customer_lifecycle: sales" in project.refusals()["zendesk"]


def test_a_stream_that_only_describes_customers_comes_along_with_its_services_events(company_folder: Path) -> None:
    project = rolled_out(company_folder, "{stages: {customer_lifecycle: [sales]}}")
    assert "customers" in due(project)["stripe"]


def test_the_parent_of_a_stream_comes_along_with_it(company_folder: Path) -> None:
    project = rolled_out(company_folder, "{streams: {zendesk: [tickets]}}")
    zendesk = project.services["zendesk"]
    child = zendesk.streams["tickets"].model_copy(update={"parent": Parent(stream="users")})
    family = zendesk.model_copy(update={"streams": {**zendesk.streams, "tickets": child}})
    found = what_is_due(family, project.settings.rollout, project.journeys, days=None, refusal=None)
    assert found.streams == ("users", "tickets")


def test_a_service_named_by_stream_is_added_to_a_part_of_the_journey(company_folder: Path) -> None:
    by_stage = due(rolled_out(company_folder, "{stages: {customer_lifecycle: [sales]}}"))
    both = due(rolled_out(company_folder, "{stages: {customer_lifecycle: [sales]}, streams: {zendesk: [tickets]}}"))
    assert both == by_stage | {"zendesk": ("tickets",)}


def test_days_before_the_first_day_of_the_rollout_are_not_due(company_folder: Path) -> None:
    project = rolled_out(company_folder, "{since: 2026-06-05}")
    days = project.due("stripe", NOW).days
    assert days is not None
    assert (days.first, days.last) == (dt.date(2026, 6, 5), dt.date(2026, 6, 12))
    assert "2026-06-05..2026-06-12 are due" in (project.due("stripe", NOW).why_not("charges", project.days(NOW)) or "")
    assert project.due("stripe", dt.datetime(2026, 6, 3, tzinfo=dt.UTC)).days is None


def test_a_service_that_nobody_approved_owes_nothing_whatever_the_rollout_names(company_folder: Path) -> None:
    project = rolled_out(company_folder, "{streams: {stripe: all}}")
    decisions = company_folder / "decisions.yaml"
    text = decisions.read_text(encoding="utf-8")
    try:
        decisions.write_text("decisions: []\n", encoding="utf-8")
        project = CXProject.load(company_folder)
        assert project.services_due() == []
        assert "decisions.yaml" in project.refusals()["stripe"]
    finally:
        decisions.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("rollout", "path", "expected"),
    [
        ("{streams: {strip: all}}", "rollout.streams.strip", "did you mean 'stripe'?"),
        ("{streams: {stripe: [charge]}}", "rollout.streams.stripe[0]", "did you mean 'charges'?"),
        ("{streams: {stripe: []}}", "rollout.streams.stripe", "a list of at least 1"),
        ("{stages: {customer_lifecyle: [sales]}}", "rollout.stages.customer_lifecyle", "'customer_lifecycle'?"),
        (
            "{stages: {customer_lifecycle: [sales, sale]}}",
            "rollout.stages.customer_lifecycle[1]",
            "did you mean 'sales'?",
        ),
        ("{since: 2025-01-01}", "rollout.since", "expected a day of the project"),
        ("{from: 2026-06-02}", "rollout.from", "unknown key"),
    ],
)
def test_a_name_that_does_not_exist_is_an_error_with_its_line(
    company_folder: Path, rollout: str, path: str, expected: str
) -> None:
    with pytest.raises(InvalidProject) as caught:
        rolled_out(company_folder, rollout)
    (error,) = caught.value.errors
    text = (company_folder / "project.yaml").read_text(encoding="utf-8")
    line = text.splitlines().index(f"rollout: {rollout}") + 1
    assert (error.file, error.path, error.line) == ("project.yaml", path, line)
    assert expected in error.expected
