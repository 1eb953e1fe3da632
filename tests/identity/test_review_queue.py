"""The review queue: what people are asked, in which order, and what they are not asked."""

import datetime as dt
import json

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.identity.ledger import WANTED, update_ledger
from cx_orchestration.identity.overrides import update_decisions
from cx_orchestration.identity.resolve import resolve
from cx_orchestration.identity.review import fill_queue
from cx_orchestration.identity.vetoes import unique_keys
from cx_orchestration.model.identity import IdentityConfig, Matching, Review
from cx_orchestration.model.identity_overrides import Override
from cx_orchestration.model.tables import REVIEW_QUEUE
from cx_orchestration.project.template import write_template

PEOPLE = {
    "crm/1": {"login": "jd"},
    "desk/1": {"login": "jd"},
    "shop/1": {},
    "shop/2": {},
    "shop/3": {},
}
SCORES = {
    ("crm/1", "shop/1"): 1.0,
    ("desk/1", "shop/1"): 2.0,
    ("crm/1", "shop/2"): 2.0,
    ("crm/1", "shop/3"): 9.0,
    ("shop/2", "shop/3"): -5.0,
    ("crm/1", "desk/1"): 1.0,
}


def scored(company, scores) -> None:
    evidence = json.dumps({"levels": {"family": "same", "given": "similar"}})
    rows = [
        dict(zip(WANTED.names, [*left.split("/"), *right.split("/"), "model", weight, evidence, "m1"], strict=True))
        for (left, right), weight in scores.items()
    ]
    wanted = pa.Table.from_pylist(rows, schema=WANTED)
    update_ledger(company.lake, company.engine, wanted, family="model", scope=None, now=company.now, run_id="night")


def decided(company, left: str, right: str, decision: str) -> None:
    override = Override(left=left, right=right, decision=decision, by="steward", on=dt.date(2026, 2, 1), why="seen")
    update_decisions(company.lake, company.engine, [override], now=company.now, run_id="night")


def queue(company, **review) -> list[tuple[str, str]]:
    least = review.pop("least", 0.1)
    rules = {"review": Review(**review), "matching": Matching(review_probability=least)}
    fill_queue(company.lake, company.engine, company.config.model_copy(update=rules), run_id="night")
    rows = sorted(company.lake.read(REVIEW_QUEUE).to_pylist(), key=lambda row: row["rank"])
    return [tuple(f"{row[f'{side}_service']}/{row[f'{side}_entity']}" for side in ("left", "right")) for row in rows]


@pytest.fixture
def busy(company):
    company.night(PEOPLE)
    day = dt.date(2026, 2, 3)
    at = dt.datetime(2026, 2, 3, tzinfo=dt.UTC)
    names = [("shop", "2", f"e{n}") for n in range(5)] + [("crm", "1", f"c{n}") for n in range(9)]
    company.add_events(
        day,
        [
            {"event_id": name, "service": service, "entity": entity, "record_id": name, "occurred_at": at}
            for service, entity, name in names
        ],
    )
    return company


def test_the_pair_with_most_at_stake_comes_first_and_two_customers_once(busy) -> None:
    scored(busy, SCORES)
    assert queue(busy) == [("crm/1", "shop/2"), ("desk/1", "shop/1")]
    first, second = sorted(busy.lake.read(REVIEW_QUEUE).to_pylist(), key=lambda row: row["rank"])
    assert (first["stake"], second["stake"]) == (6, 1)
    assert first["probability"] == pytest.approx(0.8)
    assert first["value"] == pytest.approx(6 * 0.8)


def test_clear_pairs_and_those_with_a_shared_key_wait_for_nobody(busy) -> None:
    scored(busy, {pair: SCORES[pair] for pair in [("crm/1", "shop/3"), ("shop/2", "shop/3"), ("crm/1", "desk/1")]})
    assert queue(busy) == []
    assert queue(busy, least=0.02, highest_bits=10) == [("crm/1", "shop/3"), ("shop/2", "shop/3")]


def test_decided_pairs_leave_the_queue_and_never_holds_for_both_customers(busy) -> None:
    scored(busy, SCORES)
    decided(busy, "crm/1", "shop/1", "never")
    assert queue(busy) == [("crm/1", "shop/2")]
    decided(busy, "crm/1", "shop/2", "never")
    assert queue(busy) == [("desk/1", "shop/1")]


def test_only_the_most_valuable_ones_stay_and_the_same_queue_is_not_written_again(busy) -> None:
    scored(busy, SCORES)
    assert queue(busy, most=1) == [("crm/1", "shop/2")]
    version = busy.lake.version(REVIEW_QUEUE)
    assert queue(busy, most=1) == [("crm/1", "shop/2")]
    assert busy.lake.version(REVIEW_QUEUE) == version


UNIQUE = IdentityConfig.model_validate(
    {
        "region": "US",
        "namespaces": {
            "email": {"normalise": "email"},
            "login": {"normalise": "lower"},
            "birth_date": {"normalise": "date", "strength": "weak", "unique": True},
            "passport": {"normalise": "number", "strength": "weak", "unique": True},
        },
    }
)
#: Linked by an address and, of the last one, a score; what forbids that they are one is written beside each.
APART = {
    "crm/1": {"email": "one@example.com"},
    "crm/1b": {"email": "one@example.com", "login": "one", "birth_date": "1990-04-05"},
    "desk/1": {"login": "one", "birth_date": "1990-04-06"},  # a digit
    "crm/2": {"email": "two@example.com", "birth_date": "1990-04-05"},
    "desk/2": {"email": "two@example.com", "birth_date": "1971-12-30"},  # another date
    "crm/3": {"email": "three@example.com", "birth_date": "1990-04-05", "passport": "X2030415"},
    "desk/3": {
        "email": "three@example.com",
        "birth_date": "1990-04-06",
        "passport": "Y9183726",
    },  # a digit, and a number
    "crm/4": {"birth_date": "1988-01-02"},
    "desk/4": {"birth_date": "1988-10-02"},  # two digits that changed places
    "shop/1": {},
    "shop/2": {},
}


@pytest.fixture
def parted(new_company):
    company = new_company(UNIQUE)
    company.links(APART)
    scored(company, {("crm/4", "desk/4"): 12.0, ("shop/1", "shop/2"): 2.0})
    unique = unique_keys(company.lake, company.engine, UNIQUE)
    resolve(company.lake, company.engine, unique=unique, now=company.now, run_id="night")
    return company


def test_two_customers_that_a_slip_in_a_unique_value_alone_keeps_apart_come_first(parted) -> None:
    assert queue(parted) == [("crm/1b", "desk/1"), ("crm/4", "desk/4"), ("shop/1", "shop/2")]
    told = {row["left_entity"]: row for row in parted.lake.read(REVIEW_QUEUE).to_pylist()}
    assert [told[name]["forbidden_by"] for name in ("1b", "4", "1")] == ["birth_date", "birth_date", None]
    assert json.loads(told["1b"]["evidence"]) == {"shared": ["login"]}


def test_once_people_decided_a_slip_is_asked_no_more(parted) -> None:
    slips, unique = [("crm/1b", "desk/1"), ("crm/4", "desk/4")], unique_keys(parted.lake, parted.engine, UNIQUE)
    for (left, right), decision, other in zip(slips, ("always", "never"), reversed(slips), strict=True):
        decided(parted, left, right, decision)
        resolve(parted.lake, parted.engine, unique=unique, now=parted.now, run_id="night")
        assert queue(parted) == [other, ("shop/1", "shop/2")]


def test_the_command_says_which_slip_forbids_and_shows_the_values(parted, tmp_path) -> None:
    queue(parted)
    write_template(tmp_path / "project")
    where = ["--project", str(tmp_path / "project"), "--lake", str(parted.lake.root)]
    result = CliRunner().invoke(app, ["identity", "review", "--limit", "1", *where])
    assert result.exit_code == 0, result.output
    for expected in (
        "the same login",
        "birth_date forbids it",
        "1990-04-05",
        "1990-04-06",
        "crm/1b desk/1 always",
    ):
        assert expected in result.output


def test_the_command_shows_both_sides_and_how_to_decide(company, tmp_path) -> None:
    names = {"crm/1": {"given_name": "Jane", "family_name": "Doe"}, "shop/2": {"name": "Janet Doe"}}
    company.night(PEOPLE, names)
    scored(company, {("crm/1", "shop/2"): 2.0})
    queue(company)
    write_template(tmp_path / "project")
    where = ["--project", str(tmp_path / "project"), "--lake", str(company.lake.root)]
    result = CliRunner().invoke(app, ["identity", "review", *where])
    assert result.exit_code == 0, result.output
    for expected in (
        "two customers now",
        "surname agrees exactly, given name almost (+2.0 bits: about 4.0 to 1 for one person)",
        "Jane Doe",
        "Janet Doe",
        "cx identity decide crm/1 shop/2 never --by ROLE --why WHY --project ",
    ):
        assert expected in result.output
    (told,) = json.loads(CliRunner().invoke(app, ["identity", "review", "--json", *where]).output)
    assert (told["left"], told["right"], told["together"]) == ("crm/1", "shop/2", False)


def test_a_decision_on_a_record_that_nobody_knows_is_refused_and_names_near_ones(company, tmp_path) -> None:
    company.night({"crm/C-17": {}, "crm/C-71": {}, "crm/zzz": {}, "shop/2": {}})
    write_template(tmp_path / "project")
    file = tmp_path / "project" / "identity_overrides.yaml"
    before = file.read_text()
    where = [
        "--project",
        str(tmp_path / "project"),
        "--lake",
        str(company.lake.root),
        "--why",
        "seen",
        "--by",
        "steward",
    ]
    result = CliRunner().invoke(app, ["identity", "decide", "shop/2", "crm/C-177", "always", *where])
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "'crm/C-177': crm has no such customer" in said
    assert "near it are crm/C-17, crm/C-71" in said
    assert file.read_text() == before
