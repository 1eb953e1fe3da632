"""``cx erase``: who was erased is in no file, and does not come back by any way that there is."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from small_company import AFTER, ANNA, ANNAS, BOB, ERASED_AT, Company, contact, ticket
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.identity.explain import explain
from cx_orchestration.identity.ledger import value_digest
from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure
from cx_orchestration.model.tables import (
    CUSTOMER_ALIASES,
    CUSTOMER_HISTORY,
    IDENTITY_MAP,
    KEY_VALUES,
    LINKS,
    MATCHING_FIELDS,
    PROFILES,
    PROFILES_CHANGED,
    TERM_FREQUENCIES,
    Table,
    landed,
)
from cx_orchestration.privacy.erase import Erased, Order, erase_persons, preview
from cx_orchestration.privacy.export import person_data
from cx_orchestration.privacy.person import find_person
from cx_orchestration.project import CXProject
from cx_orchestration.storage.data_files import DataFile
from cx_orchestration.storage.lake import Lake

ORDER = Order("privacy office", "request 4711")


def erased(company: Company, *named: str, lake: Lake | None = None, **options: bool) -> Erased:
    lake = lake or Lake(company.lake.root)
    persons = [find_person(lake, company.engine, company.project, each, **options) for each in named]
    done = erase_persons(
        lake, company.engine, company.registry.erasures, company.project, persons, ORDER, now=ERASED_AT
    )
    company.lake = lake
    return done


def left(company: Company, values: Sequence[str] = ANNAS) -> list[str]:
    kept = company.kept()
    return [value for value in values if value in kept]


def topics(company: Company) -> list[Any]:
    rows = company.lake.read(landed("help_desk", "tickets")).to_pylist()
    return [json.loads(row["payload"]) for row in rows]


def test_an_erased_person_is_in_no_file_and_others_are_as_they_were(company: Company) -> None:
    assert left(company) == list(ANNAS)
    bob = company.customers()["store_till/C-1002"]
    announced = preview(
        company.lake, company.engine, company.project,
        [find_person(company.lake, company.engine, company.project, "help_desk/U-77")],
    )  # fmt: skip
    done = erased(company, "help_desk/U-77")
    assert (done.removed, done.blotted) == (
        announced.removed,
        announced.blotted | {"identity/customer_aliases": 1},
    )
    assert done.removed["landing/store_till/contacts"] == done.removed["landing/help_desk/tickets"] == 1
    assert left(company) == []
    assert company.customers() == {"store_till/C-1002": bob, "help_desk/U-78": bob}


def test_the_id_of_an_erased_customer_says_so(company: Company) -> None:
    customer_id = company.customers()["store_till/C-1001"]
    erased(company, customer_id)
    with pytest.raises(PermanentFailure, match=r"nobody is left of that customer since 20..-..-..: erased"):
        find_person(company.lake, company.engine, company.project, customer_id)


def test_a_rerun_of_everything_brings_nobody_back(company: Company) -> None:
    erased(company, company.customers()["store_till/C-1001"])
    assert company.land("store_till").erased == 1
    company.night()
    assert left(company) == []
    assert set(company.customers()) == {"store_till/C-1002", "help_desk/U-78"}


def test_a_late_record_and_a_changed_one_of_the_person_stay_out(company: Company) -> None:
    erased(company, "store_till/C-1001")
    company.drop("store_till", ANNA | {"at": AFTER, "email": "new@example.net"}, BOB)
    company.drop("help_desk", ticket("T-9", "U-77", "other@example.net", at=AFTER), {"id": "T-1", "at": AFTER})
    company.night()
    assert left(company, [*ANNAS, "new@example.net", "other@example.net"]) == []


def test_what_a_night_told_of_a_change_goes_too(company: Company) -> None:
    company.drop("store_till", ANNA | {"at": AFTER, "email": "new@example.net"}, BOB)
    company.night()
    told = str(company.lake.read(PROFILES_CHANGED).to_pylist())
    assert "anna.q@example.net" in told
    assert "new@example.net" in told
    erased(company, "store_till/C-1001")
    assert left(company, ["C-1001", "new@example.net"]) == []


def test_the_same_data_under_a_new_id_stays_out_and_a_new_customer_comes_in(company: Company) -> None:
    erased(company, "store_till/C-1001")
    company.drop("store_till", ANNA | {"id": "C-2001"}, BOB)
    company.night()
    assert left(company, [*ANNAS, "C-2001"]) == []
    former = company.lake.read(CUSTOMER_ALIASES).to_pylist()
    company.drop("store_till", ANNA | {"id": "C-2001", "at": AFTER}, BOB)
    company.night()
    (again,) = {id for entity, id in company.customers().items() if entity == "store_till/C-2001"}
    assert again not in {row["old_customer_id"] for row in former}
    assert "anna.q@example.net" in company.kept()


def test_others_records_lose_the_mention_and_nothing_else(company: Company) -> None:
    expected = [{"mail": "(erased)", "who": "(erased)"}, {"mail": "eve@example.net"}]
    done = erased(company, "store_till/C-1001")
    assert done.blotted["landing/help_desk/tickets"] == 1
    for _ in range(2):
        (payload,) = topics(company)
        assert payload["topic"] == "Please ask (erased)."
        assert payload["followers"] == expected
        company.night()


def test_a_phone_that_a_household_shares_stays_with_the_others(company: Company) -> None:
    shared = ANNA["phone"]
    company.drop("store_till", ANNA, contact("C-1003", "Cleo Quill", "cleo@example.net", shared))
    company.night()
    erased(company, "store_till/C-1001", only_entity=True)
    company.night()
    rows = {row["entity"]: row for row in company.lake.read(PROFILES).to_pylist() if row["service"] == "store_till"}
    assert set(rows) == {"C-1003"}
    assert {"namespace": "phone", "value": "+12125550144"} in rows["C-1003"]["keys"]
    assert left(company, ["C-1001", "Quillfeather Street"]) == []


class Killed(BaseException):
    """As if the process ended here."""


class MortalLake(Lake):
    """Dies before its n-th commit."""

    def __init__(self, root: Any, commits: int) -> None:
        super().__init__(root)
        self._left = commits

    def swap(self, table: Table, old: Sequence[DataFile], new: Sequence[DataFile], *, run_id: str) -> int:
        self._left -= 1
        if self._left < 0:
            raise Killed
        return super().swap(table, old, new, run_id=run_id)


@pytest.mark.parametrize("commits", [0, 4])
def test_a_killed_erasure_stops_everybody_until_it_is_completed(company: Company, commits: int) -> None:
    with pytest.raises(Killed):
        erased(company, "store_till/C-1001", lake=MortalLake(company.lake.root, commits))
    (open_one,) = company.registry.erasures.unfinished()
    with pytest.raises(TransientFailure, match="cx erase --again"):
        company.land("store_till", Lake(company.lake.root))
    erased(company)
    assert left(company) == []
    assert company.registry.erasures.unfinished() == []
    assert open_one.subjects
    company.night()
    assert left(company) == []


def test_what_was_read_before_an_erasure_is_not_committed_after_it(company: Company) -> None:
    early = Lake(company.lake.root)
    before = early.read(PROFILES)
    erased(company, "store_till/C-1001")
    with pytest.raises(TransientFailure, match="erased since this run began"):
        early.replace(PROFILES, before, run_id="early")
    assert left(company) == []
    early.replace(PROFILES, early.read(PROFILES), run_id="tried again")


def test_nobody_writes_while_persons_are_erased(company: Company) -> None:
    other = Lake(company.lake.root)
    rows = other.read(PROFILES)
    with (
        company.lake.fence.erasing(ERASED_AT, lambda: None),
        pytest.raises(TransientFailure, match="are being erased"),
    ):
        other.replace(PROFILES, rows, run_id="other")


def test_digests_of_what_only_the_person_had_go_too_and_those_of_others_stay(company: Company) -> None:
    twice = {"help_desk/U-77": "quillfeather", "store_till/C-1001": "quillfeather", "store_till/C-1002": "marrow"}
    fields = [
        dict.fromkeys(MATCHING_FIELDS.schema.names)
        | dict(zip(("service", "entity"), name.split("/"), strict=True))
        | {"given": "sam", "family": family}
        for name, family in twice.items()
    ]
    terms = [
        {"model_version": "m1", "field": field, "term": value_digest(field, value), "frequency": 0.5}
        for field, value in (("family", "quillfeather"), ("family", "marrow"), ("given", "sam"))
    ]
    for table, rows in ((MATCHING_FIELDS, fields), (TERM_FREQUENCIES, terms)):
        company.lake.replace(table, pa.Table.from_pylist(rows, schema=table.schema), run_id="r")
    email = value_digest("email", "anna.q@example.net")
    assert email in company.lake.read(KEY_VALUES)["digest"].to_pylist()
    erased(company, "store_till/C-1001")
    kept = set(company.lake.read(TERM_FREQUENCIES)["term"].to_pylist())
    assert kept == {value_digest("family", "marrow"), value_digest("given", "sam")}
    assert company.lake.read(MATCHING_FIELDS)["entity"].to_pylist() == ["C-1002"]
    assert left(company, [email, value_digest("family", "quillfeather")]) == []


def test_earlier_versions_cannot_be_read_any_more(company: Company) -> None:
    version = company.lake.version(PROFILES)
    assert version is not None
    erased(company, "store_till/C-1001")
    with pytest.raises(PermanentFailure, match="an erasure of persons removed its files"):
        company.lake.read(PROFILES, version=version)
    assert company.lake.read(PROFILES).num_rows == 2


def test_what_a_backup_brought_back_is_removed_again(company: Company) -> None:
    backup = {table: company.lake.read(table) for table in (PROFILES, IDENTITY_MAP)}
    erased(company, "store_till/C-1001")
    for table, rows in backup.items():
        company.lake.replace(table, rows, run_id="restored")
    assert erased(company).removed == {"identity/identity_map": 2, "identity/profiles": 2}
    assert left(company) == []


def test_the_audit_says_all_but_whom(company: Company) -> None:
    erased(company, "store_till/C-1001")
    (audit,) = company.registry.erasures.all()
    assert (audit.role, audit.reason, len(audit.subjects)) == ("privacy office", "request 4711", 1)
    assert audit.removed["identity/profiles"] == 2
    assert audit.untold == {"store_till": 1, "help_desk": 1}
    untold = company.registry.erasures.untold(company.project.environ)
    assert [(each.service, each.entity) for each in untold] == [("help_desk", "U-77"), ("store_till", "C-1001")]
    assert company.registry.erasures.told("help_desk", ERASED_AT) == 1
    assert [each.service for each in company.registry.erasures.untold(company.project.environ)] == ["store_till"]


@pytest.mark.parametrize("reason", ["Anna.Q@example.net asked", "request of C-1001", "by U-77."])
def test_a_reason_that_names_the_person_is_refused(company: Company, reason: str) -> None:
    person = find_person(company.lake, company.engine, company.project, "store_till/C-1001")
    with pytest.raises(PermanentFailure, match="names the person"):
        erase_persons(
            company.lake, company.engine, company.registry.erasures, company.project, [person],
            Order("privacy office", reason), now=ERASED_AT,
        )  # fmt: skip
    assert company.registry.erasures.all() == []
    with company.lake.fence.writing("anything"):
        pass


def test_a_key_in_the_environment_is_needed_ever_after(company: Company) -> None:
    given = {"CX_ERASURE_KEY": "a long secret"}
    company.registry.erasures.begin(
        [], subjects=[], notices=[("store_till", "C-1001")], role="r", reason="w", environ=given, now=ERASED_AT
    )
    assert len(company.registry.erasures.untold(given)) == 1
    for environ, wrong in (({}, "is not set"), ({"CX_ERASURE_KEY": "another"}, "is not the one")):
        with pytest.raises(PermanentFailure, match=wrong):
            company.registry.erasures.untold(environ)


@pytest.mark.parametrize("named", ["0d1c9a52-7c2e-5b0e-8b43-52f1c7a9e6d4", "nowhere/C-1001"])
def test_an_id_that_nobody_has_is_an_error_that_does_not_repeat_it(company: Company, named: str) -> None:
    with pytest.raises(Failure) as failure:
        find_person(company.lake, company.engine, company.project, named)
    assert named not in str(failure.value)


def test_a_persons_data_is_what_would_be_erased(company: Company) -> None:
    person = find_person(company.lake, company.engine, company.project, "help_desk/U-77")
    data = person_data(company.lake, company.engine, company.project, person, now=dt.datetime.now(dt.UTC))
    text = json.dumps(data, default=str)
    assert all(value in text for value in ("C-1001", "Quillfeather", "Anna.Q@example.net", "U-77", "T-1"))
    assert "bob@example.net" not in text
    done = erased(company, "help_desk/U-77")
    assert {table: len(rows) for table, rows in data["tables"].items()} == done.removed


def test_a_table_of_another_program_stops_an_erasure_before_it_begins(company: Company) -> None:
    from deltalake import write_deltalake

    write_deltalake(str(company.lake.root / "mine" / "copies"), pa.table({"email": ["anna.q@example.net"]}))
    with pytest.raises(PermanentFailure, match="mine/copies in the lake is no table"):
        erased(company, "store_till/C-1001")
    assert company.registry.erasures.all() == []


def test_a_decision_that_names_the_person_has_to_go_first(company: Company) -> None:
    decided = {
        "left": "store_till/C-1001", "right": "store_till/C-1002", "decision": "never", "by": "data steward",
        "on": "2026-01-02", "why": "two people",
    }  # fmt: skip
    file = company.folder / "identity_overrides.yaml"
    file.write_text(json.dumps({"overrides": [decided]}))
    company.project = CXProject.load(company.folder)
    with pytest.raises(PermanentFailure, match=r"identity_overrides.yaml names the person in 1 of its decisions"):
        erased(company, "help_desk/U-77")


def test_what_happened_to_a_customer_who_stays_is_still_told_without_the_record_that_went(company: Company) -> None:
    """The history alone is not made anew from the records that are left."""
    customer_id = company.customers()["store_till/C-1001"]
    (link,) = [row["link_id"] for row in company.lake.read(LINKS).to_pylist() if row["left_entity"] == "U-77"]
    (born,) = [row for row in company.lake.read(CUSTOMER_HISTORY).to_pylist() if row["customer_id"] == customer_id]
    merged = born | {"event": "merged", "evidence": json.dumps({"rules": ["exact:email"], "links": [link]})}
    rows = pa.Table.from_pylist([born, merged], schema=CUSTOMER_HISTORY.schema)
    company.lake.replace(CUSTOMER_HISTORY, rows, where={"day": born["day"]}, run_id="r")
    done = erased(company, "help_desk/U-77", only_entity=True)
    assert "identity/customer_history" not in done.removed
    told = {row["event"]: row["evidence"] for row in company.lake.read(CUSTOMER_HISTORY).to_pylist()}
    assert told["born"] is None
    assert json.loads(told["merged"]) == {"rules": ["exact:email"], "links": ["(erased)"]}
    assert left(company, ["U-77", "T-1", link]) == []
    assert [each.event for each in explain(company.lake, company.engine, customer_id).history] == ["born", "merged"]
    erased(company, customer_id)
    assert company.lake.read(CUSTOMER_HISTORY).num_rows == 0


def test_the_command_says_that_the_customer_who_stays_is_made_anew(company: Company) -> None:
    def cx(named: str, *more: str) -> str:
        options = ["--dry-run", "--project", str(company.folder)]
        return " ".join(CliRunner().invoke(app, ["erase", named, *options, *more]).output.split())

    said = "the next run makes document (identity/customers) and journeys anew"
    assert said in cx("help_desk/U-77", "--only-entity")
    assert said not in cx("help_desk/U-77")
