"""An erasure that is lifted: who comes back is a customer again, with nothing of what was erased."""

import datetime as dt
from pathlib import Path

import pytest
from small_company import AFTER, ANNA, BOB, ERASED_AT, Company, ticket
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import CUSTOMER_ALIASES, CUSTOMERS, EVENTS, IDENTITY_MAP, PROFILES, landed
from cx_orchestration.privacy.erase import Erased, Order, erase_persons
from cx_orchestration.privacy.lift import lift_erasure
from cx_orchestration.privacy.person import find_person
from cx_orchestration.storage.lake import Lake

LIFTED_AT = dt.datetime(2026, 1, 3, 6, tzinfo=dt.UTC)
NEXT_NIGHT = dt.datetime(2026, 1, 4, 2, tzinfo=dt.UTC)
ORDER = Order("privacy office", "request 4712")
BACK = ANNA | {"at": AFTER, "street": "Harbour Lane 9"}


def erase(company: Company, *named: str, now: dt.datetime = ERASED_AT) -> Erased:
    lake = Lake(company.lake.root)
    persons = [find_person(lake, company.engine, company.project, each) for each in named]
    done = erase_persons(lake, company.engine, company.registry.erasures, company.project, persons, ORDER, now=now)
    company.lake = lake
    return done


def lift(company: Company, named: str = "store_till/C-1001", *, order: Order = ORDER) -> None:
    lift_erasure(company.registry.erasures, company.project, named, order, now=LIFTED_AT)


@pytest.fixture
def returned(company: Company) -> Company:
    """Anna was erased, the erasure of her account at the till was lifted, and she came back under her former id."""
    erase(company, "store_till/C-1001")
    lift(company)
    company.drop("store_till", BACK, BOB)
    company.night(NEXT_NIGHT)
    return company


def test_who_comes_back_under_the_same_record_id_is_a_new_customer(company: Company) -> None:
    former = company.customers()["store_till/C-1001"]
    erase(company, "store_till/C-1001")
    lift(company)
    company.drop("store_till", BACK, BOB)
    company.night()
    assert company.customers()["store_till/C-1001"] != former
    retired = {row["old_customer_id"]: row["customer_id"] for row in company.lake.read(CUSTOMER_ALIASES).to_pylist()}
    assert retired[former] is None
    assert "Harbour Lane 9" in company.kept()


def test_a_lift_brings_nothing_old_back(company: Company) -> None:
    erase(company, "store_till/C-1001")
    lift(company)
    company.night()
    assert set(company.customers()) == {"store_till/C-1002", "help_desk/U-78"}
    company.drop("store_till", {key: value for key, value in ANNA.items() if key != "at"}, BOB)
    company.land("store_till")
    (row,) = company.lake.read(landed("store_till", "contacts")).to_pylist()
    assert row["record_id"] == "C-1002", "a record that does not say how old it is may be an old one"


def test_an_old_event_that_was_changed_since_stays_out(company: Company) -> None:
    erase(company, "store_till/C-1001")
    lift(company, "help_desk/U-77")
    late = ticket("T-9", "U-77", "other@example.net", at=AFTER)
    company.drop("help_desk", ticket("T-1", "U-77", "anna.q@example.net"), late)
    company.night()
    rows = company.lake.read(EVENTS).to_pylist()
    assert [row["record_id"] for row in rows] == ["T-9"]
    assert "store_till/C-1001" not in company.customers(), "only the one at the help desk was lifted"


def test_a_record_of_two_persons_stays_out_while_one_of_them_is_erased(company: Company) -> None:
    erase(company, "store_till/C-1001")
    erase(company, "help_desk/U-78")
    lift(company, "help_desk/U-77")
    company.drop("help_desk", ticket("T-2", "U-78", "anna.q@example.net", at=AFTER))
    assert company.land("help_desk").erased == 1


def test_reruns_and_completed_erasures_leave_who_came_back(returned: Company) -> None:
    tables = (landed("store_till", "contacts"), PROFILES, IDENTITY_MAP, CUSTOMERS, EVENTS)
    before = {table: returned.lake.content_hash(table) for table in tables}
    assert erase(returned).removed.keys() <= {"identity/key_values"}
    returned.night(NEXT_NIGHT)
    assert {table: returned.lake.content_hash(table) for table in tables} == before
    exported = returned.lake.root / "exports" / "customers.jsonl"
    assert "Harbour Lane 9" in exported.read_text()
    assert exported.read_text().count("(erased)") == 1, "what Bob wrote before, and nothing that came since"


def test_what_a_backup_brought_back_goes_though_the_erasure_was_lifted(company: Company) -> None:
    backup = company.lake.read(PROFILES)
    erase(company, "store_till/C-1001")
    lift(company)
    lift(company, "help_desk/U-77")
    company.lake.replace(PROFILES, backup, run_id="restored")
    assert erase(company).removed["identity/profiles"] == 2
    assert "Quillfeather" not in company.kept()


def test_erased_again_they_are_out_and_the_lift_counts_no_more(returned: Company) -> None:
    erase(returned, "store_till/C-1001", now=LIFTED_AT + dt.timedelta(hours=4))
    returned.night(NEXT_NIGHT)
    assert "store_till/C-1001" not in returned.customers()
    assert [value for value in ("C-1001", "Harbour Lane", "anna.q@") if value in returned.kept()] == []
    returned.drop("store_till", BACK | {"at": "2026-01-03T12:00:00Z"}, BOB)
    assert returned.land("store_till").erased == 1
    lift_erasure(
        returned.registry.erasures, returned.project, "store_till/C-1001", ORDER, now=LIFTED_AT + dt.timedelta(hours=5)
    )
    assert returned.land("store_till").erased == 0


def test_a_lift_is_in_the_audit_and_services_must_still_be_told(company: Company) -> None:
    erase(company, "store_till/C-1001")
    lift(company)
    (audit,) = company.registry.erasures.all()
    assert [(each.lifted_at, each.role, each.reason) for each in audit.lifts] == [
        (LIFTED_AT, "privacy office", "request 4712")
    ]
    assert audit.untold == {"store_till": 1, "help_desk": 1}


def test_an_erasure_is_lifted_once(company: Company) -> None:
    erase(company, "store_till/C-1001")
    lift(company)
    with pytest.raises(PermanentFailure, match="lifted already, on 2026-01-03 06:00 UTC"):
        lift(company)
    assert len(company.registry.erasures.all()[0].lifts) == 1


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("store_till/C-1002", "no customer of store_till with that id was erased"),
        ("help_desk/C-1001", "no customer of help_desk with that id was erased"),
        ("C-1001", "--lift takes SERVICE/ENTITY"),
    ],
)
def test_who_was_not_erased_cannot_be_lifted_and_the_message_does_not_repeat_the_id(
    company: Company, named: str, said: str
) -> None:
    erase(company, "store_till/C-1001")
    with pytest.raises(PermanentFailure, match=said) as failure:
        lift(company, named)
    assert "C-100" not in str(failure.value)


@pytest.mark.parametrize("reason", ["C-1001 is back", "store_till/C-1001.", "Anna.Q@example.net bought again"])
def test_a_reason_that_names_the_person_is_not_kept(company: Company, reason: str) -> None:
    erase(company, "store_till/C-1001")
    with pytest.raises(PermanentFailure, match="names the person"):
        lift(company, order=Order("privacy office", reason))
    assert company.registry.erasures.all()[0].lifts == []


def test_nothing_is_lifted_while_an_erasure_is_not_finished(company: Company) -> None:
    erase(company, "store_till/C-1001")
    company.registry.erasures.begin(
        [], subjects=[], notices=[], role="privacy office", reason="request 1", environ={}, now=ERASED_AT
    )
    with pytest.raises(PermanentFailure, match="cx erase --again"):
        lift(company)


def test_the_command_lifts_and_lists(company: Company) -> None:
    erase(company, "store_till/C-1001")

    def cx(*more: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["erasures", "--project", str(Path(company.folder)), *more])
        return done.exit_code, " ".join(done.output.split())

    code, said = cx("--lift", "store_till/C-1001", "--by", "privacy office")
    assert (code, "give both" in said) == (1, True), said
    code, said = cx("--lift", "store_till/C-1001", "--by", "privacy office", "--why", "request 4712")
    assert (code, "on land again" in said) == (0, True), said
    assert "UTC by privacy office: request 4712" in cx()[1]
    assert '"role": "privacy office"' in cx("--json")[1]
