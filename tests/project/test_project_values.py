"""What a loaded project says: its days, its stores, its plan."""

import datetime as dt
import os
from dataclasses import FrozenInstanceError

import dagster as dg
import pytest
from pydantic import TypeAdapter, ValidationError

from cx_orchestration.model.base import Owner
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject

DAY = dt.date.fromisoformat


def edited(folder, old, new):
    file = folder / "project.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return folder


def at(text):
    return dt.datetime.fromisoformat(text)


def test_everything_declared_is_there(folder):
    project = CXProject.load(folder)
    assert project.folder == folder.resolve()
    assert project.zone.key == "America/Denver"
    assert [row.service for row in project.inventory] == ["store_till", "help_desk", "newsletter"]
    assert list(project.services) == ["help_desk", "store_till"]
    assert list(project.journeys) == ["purchase"]
    assert [decision.service for decision in project.decisions] == ["store_till"]
    assert set(project.identity.namespaces) == {"email", "phone", "till_customer"}


def test_a_project_does_not_change(folder):
    with pytest.raises(FrozenInstanceError):
        CXProject.load(folder).folder = folder.parent


def test_words_that_yaml_once_took_for_something_else_stay_words(folder):
    edited(folder, "name: Example Outfitters", "name: no").joinpath("project.yaml")
    project = CXProject.load(edited(folder, 'nightly_at: "02:30"', "nightly_at: 12:30"))
    assert (project.settings.name, project.settings.nightly_at) == ("no", "12:30")
    assert project.journeys["purchase"].transitions[0].on == "order.placed"


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-01-11T06:59:59+00:00", "2026-01-09"),
        ("2026-01-11T07:00:00+00:00", "2026-01-10"),
        ("2026-01-10T23:00:00-08:00", "2026-01-10"),
        ("2026-02-01T07:00:00+00:00", "2026-01-31"),
        ("2027-01-01T00:00:00+00:00", "2026-01-31"),
    ],
)
def test_the_days_end_yesterday_in_the_companys_zone_or_with_the_project(folder, now, last):
    assert CXProject.load(folder).days(at(now)) == DayRange(DAY("2026-01-01"), DAY(last))


def test_a_company_that_goes_on_has_days_until_yesterday(folder):
    project = CXProject.load(edited(folder, "end_date: 2026-01-31\n", ""))
    assert project.days(at("2026-11-22T12:00:00+00:00")) == DayRange(DAY("2026-01-01"), DAY("2026-11-21"))


def test_there_are_no_days_before_the_first_one_has_ended(folder):
    project = CXProject.load(folder)
    assert project.days(at("2026-01-02T06:59:00+00:00")) is None
    assert project.days(at("2026-01-02T07:00:00+00:00")) == DayRange(DAY("2026-01-01"), DAY("2026-01-01"))


def test_a_clock_without_a_zone_is_refused(folder):
    with pytest.raises(ValueError, match="time zone"):
        CXProject.load(folder).days(dt.datetime(2026, 1, 1))


def test_a_decision_of_tomorrow_is_an_error_until_then(folder):
    CXProject.load(folder, now=at("2026-01-20T12:00:00-07:00"))
    with pytest.raises(PermanentFailure, match="decided_on"):
        CXProject.load(folder, now=at("2026-01-19T12:00:00-07:00"))


def test_relative_stores_lie_in_the_project_folder(folder):
    project = CXProject.load(folder)
    assert project.lake_root == folder.resolve() / "lake"
    assert project.registry_url() == f"sqlite:///{folder.resolve()}/registry.db"


def test_absolute_stores_stay_where_they_are(folder, tmp_path):
    edited(folder, "lake: lake", f"lake: {tmp_path}/elsewhere")
    project = CXProject.load(
        edited(folder, "# registry: sqlite:///registry.db", f"registry: sqlite:///{tmp_path}/x.db")
    )
    assert project.lake_root == tmp_path / "elsewhere"
    assert project.registry_url() == f"sqlite:///{tmp_path}/x.db"


def test_stores_take_variables_from_the_environment(folder):
    edited(folder, "lake: lake", "lake: ${DATA}/lake")
    edited(folder, "# registry: sqlite:///registry.db", "registry: postgresql://cx:${PASSWORD}@db/cx")
    project = CXProject.load(folder, {"DATA": "/data", "PASSWORD": "hunter2"})
    assert str(project.lake_root) == "/data/lake"
    assert project.registry_url() == "postgresql://cx:hunter2@db/cx"
    assert "hunter2" not in repr(project)


def test_a_variable_that_is_not_set_matters_only_when_it_is_needed(folder):
    project = CXProject.load(edited(folder, "lake: lake", "lake: ${CX_TEST_ABSENT}/lake"), {})
    with pytest.raises(PermanentFailure, match=r"project.yaml: stores.lake needs .* CX_TEST_ABSENT; set it"):
        _ = project.lake_root


def test_the_environment_of_the_process_counts_by_default(folder, monkeypatch):
    monkeypatch.setenv("CX_TEST_LAKE", "/data")
    project = CXProject.load(edited(folder, "lake: lake", "lake: ${CX_TEST_LAKE}"))
    assert project.environ is os.environ
    assert str(project.lake_root) == "/data"


@pytest.mark.parametrize("registry", ["# registry: sqlite:///registry.db", "registry: sqlite:///registry.db"])
def test_another_lake_has_a_registry_of_its_own_unless_one_is_named(folder, tmp_path, registry):
    other = tmp_path / "other"
    project = CXProject.load(edited(folder, "# registry: sqlite:///registry.db", registry))
    assert project.registry_url() == f"sqlite:///{folder.resolve()}/registry.db"
    assert project.registry_url(project.lake_root) == f"sqlite:///{folder.resolve()}/registry.db"
    assert project.registry_url(other) == f"sqlite:///{other}/registry.db"
    project = CXProject.load(edited(folder, registry, "registry: sqlite:///of_all_lakes.db"))
    assert project.registry_url(other) == f"sqlite:///{folder.resolve()}/of_all_lakes.db"


def test_only_a_decided_service_is_approved(folder):
    project = CXProject.load(folder)
    assert project.plan.approved() == ["store_till"]
    project.require_approval("store_till")
    with pytest.raises(PermanentFailure, match=r"help_desk is not integrated.*decisions\.yaml"):
        project.require_approval("help_desk")


@pytest.mark.parametrize(
    ("owner", "valid"),
    [
        ("team:cx", True),
        ("team:Customer Experience", True),
        ("eve.moss+cx@example.co.uk", True),
        ("Eve Moss", False),
        ("team:", False),
        ("@example.com", False),
        (".eve@example.com", False),
        ("eve@example", False),
        ("eve@example.com ", False),
    ],
)
def test_an_owner_is_what_dagster_takes_for_one(owner, valid):
    def accepted(make):
        try:
            make()
        except (ValidationError, dg.DagsterInvalidDefinitionError):
            return False
        return True

    assert accepted(lambda: TypeAdapter(Owner).validate_python(owner)) is valid
    assert accepted(lambda: dg.AssetSpec("x", owners=[owner])) is valid


def test_the_written_project_names_an_owner_and_one_without_has_none(folder):
    assert CXProject.load(folder).settings.owner == "team:cx"
    assert CXProject.load(edited(folder, "owner: team:cx\n", "")).settings.owner == ""
