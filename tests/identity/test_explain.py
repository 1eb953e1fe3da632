"""Why records are one customer, and why they are not: what the answer says, and who may read it."""

import datetime as dt
import itertools
import json
import math
import stat
from collections.abc import Mapping
from html.parser import HTMLParser

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.identity.explain import explain
from cx_orchestration.identity.explain_drawing import draw
from cx_orchestration.identity.explain_evidence import evidence_of, joining
from cx_orchestration.identity.explain_page import render_page
from cx_orchestration.identity.explain_weights import bars, weigh
from cx_orchestration.identity.explain_words import agreement, odds
from cx_orchestration.identity.ledger import WANTED, update_ledger
from cx_orchestration.identity.matching.comparisons import FIELDS, derive_comparisons
from cx_orchestration.identity.overrides import update_decisions
from cx_orchestration.identity.why_not import why_not
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.identity_overrides import Override
from cx_orchestration.model.tables import MATCHING_MODELS
from cx_orchestration.project.template import write_template

JANE = {
    "crm/1": {"email": "jane@example.com", "phone": "212 555 0123", "login": "jd"},
    "desk/a/9": {"email": "jane@example.com"},
    "shop/3": {"login": "jd"},
    "crm/2": {"phone": "212 555 0123"},
}
SAID = {
    "crm/1": {"given_name": "Jane", "family_name": "Doe", "city": "Boston"},
    "desk/a/9": {"name": "<b>J. Doe</b>", "city": "Boston"},
    "crm/2": {"given_name": "John", "family_name": "Doe", "city": "Boston"},
}


def scored(company, left: str, right: str, weight: float, **levels: str) -> None:
    ends = [*left.split("/", 1), *right.split("/", 1)]
    row = dict(zip(WANTED.names, [*ends, "model", weight, json.dumps({"levels": levels}), "m1"], strict=True))
    wanted = pa.Table.from_pylist([row], schema=WANTED)
    update_ledger(company.lake, company.engine, wanted, family="model", scope=None, now=company.now, run_id="night")


def score(company, weights: Mapping[tuple[str, str], float]) -> None:
    evidence = json.dumps({"levels": {"given": "same"}})
    rows = [
        (*left.split("/"), *right.split("/"), "model", weight, evidence, "m1")
        for (left, right), weight in weights.items()
    ]
    wanted = pa.Table.from_pylist([dict(zip(WANTED.names, row, strict=True)) for row in rows], schema=WANTED)
    update_ledger(company.lake, company.engine, wanted, family="model", scope=None, now=company.now, run_id="night")


def decide(company, left: str, right: str, decision: str) -> None:
    override = Override(
        left=left, right=right, decision=decision, by="data steward", on=dt.date(2026, 2, 1), why="father and son"
    )
    update_decisions(company.lake, company.engine, [override], now=company.now, run_id="night")


def links(found) -> dict[tuple[str, str], str]:
    return {(link.left, link.right): link.says for link in found.links}


def test_a_customer_is_explained_by_the_values_that_its_records_share(company) -> None:
    company.night(JANE, SAID)
    found = explain(company.lake, company.engine, "desk/a/9")
    assert [record.name for record in found.records] == ["crm/1", "desk/a/9", "shop/3"]
    assert links(found) == {
        ("crm/1", "desk/a/9"): "same e-mail address (jane@example.com)",
        ("crm/1", "shop/3"): "same login (jd)",
    }
    assert found.links[0].since == company.now


def test_an_id_and_a_former_id_lead_to_the_same_customer_as_a_record(company) -> None:
    company.night({"crm/1": {"login": "u"}, "crm/2": {"login": "v"}})
    former = company.who()
    company.night({"crm/1": {"login": "u"}, "crm/2": {"login": "v"}, "shop/1": {"login": ["u", "v"]}})
    now = company.who()["shop/1"]
    (gone,) = set(former.values()) - {now}
    for name in (now, now.upper(), gone, "crm/1"):
        assert explain(company.lake, company.engine, name).customer_id == now
    assert [each.customer_id for each in explain(company.lake, company.engine, now).former_ids] == [gone]


def test_what_was_taken_back_says_until_when_and_why(company) -> None:
    company.night(JANE)
    company.night(JANE | {"shop/3": {}})
    (gone,) = [link for link in explain(company.lake, company.engine, "crm/1").outside if not link.stands]
    assert (gone.left, gone.right, gone.retracted_at) == ("crm/1", "shop/3", company.now)
    assert gone.retracted_why == "no longer supported by exact:login"


def test_scored_pairs_decisions_and_evidence_against_are_told_in_words(company) -> None:
    company.night(JANE, SAID)
    scored(company, "crm/1", "desk/a/9", -3.0, family="same", birth="different", given="missing")
    decide(company, "crm/1", "shop/3", "always")
    sides = {(link.side, link.says) for link in explain(company.lake, company.engine, "crm/1").links}
    assert ("against", "surname agrees exactly; date of birth differs") in sides
    decided = "always one person, says the data steward on 2026-02-01: father and son"
    assert ("decided", decided) in sides


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (
            {"family": "same", "address": "same", "given": "similar"},
            "surname and address agree exactly, given name almost",
        ),
        ({"given": "initial"}, "given name agrees in the first letter only"),
        ({"address": "same, other surname", "birth": "different"}, "address agrees exactly; date of birth differs"),
        ({"key_phone": "same, one home"}, "phone number agrees exactly"),
        (
            {"key_phone": "same", "family": "different", "given": "different"},
            "phone number agrees exactly; surname and given name differ",
        ),
        ({"given": "missing"}, "nothing could be compared"),
        ({"birth": "different, others of one home"}, "date of birth differs"),
        (
            {"key_phone": "similar, home unknown", "given": "other name"},
            "phone number agrees almost; given name differs",
        ),
        ({"birth": "odd"}, "date of birth agrees as 'odd'"),
    ],
)
def test_levels_of_agreement_become_a_sentence(levels, said) -> None:
    assert agreement(levels.items()) == said


def test_every_level_that_the_model_knows_has_plain_words() -> None:
    shares = dict.fromkeys((*FIELDS, "key_phone", "key_email"), 1.0)
    compared = derive_comparisons(shares, frozenset({"key_phone"}), frozenset({"key_email"}))
    levels = [(each.name, level.label) for each in compared for level in each.levels]
    assert len(levels) > 40
    assert [level for level in levels if "'" in agreement([level])] == []


def test_a_weight_is_said_as_odds() -> None:
    assert odds(41.8) == "more than 1,000,000,000 to 1 for one person"
    assert odds(10) == "about 1,000 to 1 for one person"
    assert odds(-1) == "about 2.0 to 1 for two people"
    assert odds(0.01) == "no evidence either way"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("desc/9", "there is no service 'desc' in the identity map; did you mean 'desk'?"),
        ("crm/99", "crm has no such customer"),
        ("0d1c9a52-7c2e-5b0e-8b43-52f1c7a9e6d4", "no customer bears or bore this id"),
    ],
)
def test_a_name_that_nobody_bears_says_what_is_wrong(company, name, message) -> None:
    company.night(JANE)
    with pytest.raises(PermanentFailure, match=message.replace("?", r"\?")):
        explain(company.lake, company.engine, name)


# --- why not --------------------------------------------------------------------------------------------------------


def not_one(company, left: str, right: str):
    return why_not(company.lake, company.engine, company.config, left, right)


def test_two_customers_are_shown_field_by_field_with_what_would_be_needed(company) -> None:
    company.night(JANE, SAID)
    found = not_one(company, "crm/1", "crm/2")
    sides = {each.field: each.same for each in found.fields}
    assert sides["given name"] is False
    assert (sides["surname"], sides["town"], sides["phone number"]) == (True, True, True)
    assert sides["e-mail address"] is None
    assert found.needed[0].startswith("a correction in the service"), "crm/2 has no key that links"
    weak = "the phone number +12125550123 does not link: keys of 'phone' are weak, and link nobody by themselves"
    assert weak in found.missing
    assert found.to_decide == ("crm/1", "crm/2")


def test_a_value_that_too_many_hold_says_how_many(company) -> None:
    company.night({f"crm/{n}": {"account": "K1"} for n in range(4)})
    found = not_one(company, "crm/0", "crm/1")
    said = "the account number K1 does not link: it is shared by more than 3 entities; 4 records hold it"
    assert found.missing[0] == said
    assert not any("one more record" in each for each in found.needed), "nobody else would be linked by it either"


def test_a_further_record_would_have_to_share_what_links_with_each_side(company) -> None:
    office = {f"shop/{n}": {"account": "K1"} for n in range(3)}
    company.night(
        office
        | {"crm/0": {"account": "K1", "email": "jane@example.com"}, "crm/1": {"account": ["K1", "K2"], "login": "jd"}}
    )
    found = not_one(company, "crm/0", "crm/1")
    assert found.needed[0] == (
        "one more record, which has the same e-mail address as crm/0 and the same login or account number as crm/1"
    )
    company.night({"crm/0": {"login": "u"}, "crm/1": {"login": "v"}})
    assert not_one(company, "crm/0", "crm/1").needed[0] == "one more record, which has the same login as each of them"


GUARDED = IdentityConfig.model_validate(
    {
        "region": "US",
        "namespaces": {
            "email": {"normalise": "email"},
            "phone": {"normalise": "phone", "valid_for_days": 90},
            "device": {"normalise": "device", "links_when": "authenticated"},
            "loyalty": {"normalise": "number", "unique": True},
        },
    }
)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"email": "info@example.com"}, "info@example.com does not link: it is a mailbox of a function; 2 records"),
        ({"email": "we@example.com"}, "does not link: people of several given names use it, and these two are not"),
        ({"phone": "212 555 0123"}, "they were seen with it 364 days apart, and after 90 days it may have passed"),
        ({"device": "d-1"}, "the device d-1 does not link: neither was signed in when it was seen"),
    ],
)
def test_a_shared_value_says_which_verdict_or_guard_keeps_it_from_linking(new_company, keys, told) -> None:
    company = new_company(GUARDED)
    years = [dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 12, 31, tzinfo=dt.UTC)]
    given = ("Jane", "Tom") if "email" in keys else ("Jane", "Jane")
    fields = {
        f"crm/{n}": {"given_name": given[n], "family_name": "Doe", "updated_at": years[n] if "phone" in keys else None}
        for n in range(2)
    }
    company.night(dict.fromkeys(fields, keys), fields)
    assert told in "\n".join(not_one(company, "crm/0", "crm/1").missing)


def test_different_values_that_only_one_person_can_have_forbid_and_are_named(new_company) -> None:
    company = new_company(GUARDED)
    cards = {"crm/1": {"loyalty": "L-1", "email": "j@x.com"}, "desk/1": {"loyalty": "L-2"}}
    company.night(cards)
    found = not_one(company, "crm/1", "desk/1")
    assert found.vetoes == ("the loyalty number differs, L1 and L2: one person has only one",)
    assert not any("one more record" in each for each in found.needed), "that would not help"
    scored(company, "crm/1", "desk/1", 9.0, family="same")
    missing = not_one(company, "crm/1", "desk/1").missing
    assert missing == ("they have no key in common",), "the model does not keep them apart, the cards do"


def test_a_never_decision_forbids_and_what_is_needed_is_to_take_it_out(company) -> None:
    company.night(JANE, SAID)
    decide(company, "crm/1", "crm/2", "never")
    found = not_one(company, "desk/a/9", "crm/2")
    assert found.vetoes == (
        "crm/1 and crm/2 are never one person, says the data steward on 2026-02-01: father and son",
    )
    assert found.needed == ("take the decision out of identity_overrides.yaml, should it be wrong",)


def test_a_pair_that_the_model_compared_shows_its_weight(company) -> None:
    company.night(JANE, SAID)
    scored(company, "crm/1", "crm/2", 1.5, family="same", given="different")
    found = not_one(company, "crm/1", "crm/2")
    (link,) = found.links
    assert (link.weight, link.says) == (1.5, "surname agrees exactly; given name differs")
    assert "the model gives them +1.5 bits, and puts records together from +2.0 on" in found.missing
    score(company, {})
    assert "the model gives them no weight any more: what it gave them was taken back" in (
        not_one(company, "crm/1", "crm/2").missing
    )


def test_two_records_of_one_customer_are_not_told_apart(company) -> None:
    company.night(JANE)
    assert not_one(company, "crm/1", "shop/3").together


# --- the commands and the page --------------------------------------------------------------------------------------


@pytest.fixture
def cx(company, tmp_path):
    write_template(tmp_path / "project")

    def run(*arguments: str):
        where = ["--project", str(tmp_path / "project"), "--lake", str(company.lake.root)]
        return CliRunner().invoke(app, ["identity", *arguments, *where])

    return run


def test_explain_prints_what_a_support_agent_needs_and_the_same_as_json(company, cx) -> None:
    company.night(JANE, SAID)
    decide(company, "crm/1", "shop/3", "always")
    result = cx("explain", "crm/1")
    assert result.exit_code == 0, result.output
    for expected in (
        f"Customer {company.who()['crm/1']}",
        "3 records of 3 services",
        "same e-mail address (jane@example.com) (+20.0 bits: about 1,000,000 to 1 for one person)",
        "    crm/1, desk/a/9",
        "Decisions of people",
    ):
        assert expected in result.output
    told = json.loads(cx("explain", "crm/1", "--json").output)
    assert [record["name"] for record in told["records"]] == ["crm/1", "desk/a/9", "shop/3"]


def test_why_not_prints_both_sides_and_the_way_out(company, cx) -> None:
    company.night(JANE, SAID)
    result = cx("why-not", "crm/1", "crm/2")
    assert result.exit_code == 0, result.output
    assert "different" in result.output
    assert "cx identity decide crm/1 crm/2 always --by ROLE --why WHY --project " in result.output
    assert "They are one customer" in cx("why-not", "crm/1", "shop/3").output


def test_a_value_cannot_steer_the_terminal_nor_fill_it(company, cx) -> None:
    company.night({"crm/1": {}}, {"crm/1": {"name": "\x1b[2JJane\nDoe \u202eeoD\x00", "street": "x" * 10_000}})
    result = cx("explain", "crm/1")
    assert r"\x1b[2JJane\nDoe \u202eeoD\x00, xxx" in result.output
    assert len(result.output) < 1_000


def test_why_not_shows_no_parts_of_names_that_one_side_alone_has(company) -> None:
    company.night({"crm/1": {}, "desk/9": {}}, {"crm/1": SAID["crm/1"], "desk/9": {"name": "Jane Doe"}})
    found = not_one(company, "crm/1", "desk/9")
    assert [(each.field, each.same) for each in found.fields] == [("name", True), ("town", None)]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open, self.seen, self.loaded = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in ("meta", "br", "path", "rect", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("path", "rect", "circle"):
            assert self.open.pop() == tag


def test_the_page_needs_no_network_escapes_values_and_draws_every_record_and_link(company) -> None:
    company.night(JANE, SAID)
    scored(company, "crm/1", "desk/a/9", 6.0, family="same")
    page = render_page(explain(company.lake, company.engine, "crm/1"))
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.loaded == []
    assert "script" not in tags.seen
    assert "<b>J. Doe" not in page
    assert "&lt;b&gt;J. Doe" in page
    # Three cards and two shared values; a line from each value to its two records, and an arc for the scored pair.
    assert (tags.seen.count("rect"), tags.seen.count("path"), tags.seen.count("circle")) == (5, 5, 3)


def test_the_numbers_of_many_scored_pairs_do_not_cover_each_other(company) -> None:
    names = [f"crm/{n}" for n in range(6)]
    company.night({name: {"login": "jd"} for name in names})
    for left, right in itertools.combinations(names, 2):
        scored(company, left, right, 6.0 + int(left[-1]), family="same", given=f"{left} {right}")
    found = explain(company.lake, company.engine, "crm/0")
    drawn = draw(found, evidence_of(found.links))
    badges = [(line.x, line.y) for line in drawn.lines if line.number and line.kind != "exact"]
    assert len(badges) == 15
    assert min(math.dist(one, other) for one, other in itertools.combinations(badges, 2)) >= 20


def test_a_customer_of_too_many_records_is_listed_and_not_drawn(company) -> None:
    many = {f"crm/{n}": {"login": [f"u{n // 5}", f"u{n // 5 + 1}"]} for n in range(30)}
    company.night(many)
    found = explain(company.lake, company.engine, "crm/0")
    assert len(found.records) == 30
    page = render_page(found)
    assert "<svg" not in page
    assert all(f"<td>crm/{n}</td>" in page for n in range(30))


def test_the_page_is_written_so_that_only_its_owner_reads_it(company, cx, tmp_path) -> None:
    company.night(JANE, SAID)
    path = tmp_path / "who.html"
    path.write_text("before")
    path.chmod(0o644)
    result = cx("explain", "crm/1", "--page", str(path))
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "jane@example.com" in path.read_text()
    assert "jane" not in result.output
    missing = cx("explain", "crm/1", "--page", str(tmp_path / "absent" / "who.html"))
    assert (missing.exit_code, "cannot be written there" in missing.stderr) == (1, True)


def test_a_value_that_many_records_share_is_one_thing_to_tell(company) -> None:
    company.night({f"crm/{n}": {"email": "jane@example.com", "login": "jd"} for n in range(4)})
    found = explain(company.lake, company.engine, "crm/0")
    told = [(each.says, len(each.records)) for each in evidence_of(found.links)]
    assert told == [("same e-mail address (jane@example.com)", 4), ("same login (jd)", 4)]


def test_of_scored_pairs_those_are_told_first_that_join_what_nothing_else_does(company) -> None:
    entities = {f"crm/{n}": {"email": "jane@example.com"} for n in range(3)} | {"shop/1": {}, "shop/2": {}}
    company.night(entities)
    pairs = {("crm/0", "crm/1"): 30.0, ("crm/0", "shop/1"): 5.0, ("crm/1", "shop/1"): 9.0, ("shop/1", "shop/2"): 4.0}
    score(company, pairs)
    company.night(entities)
    links = explain(company.lake, company.engine, "crm/0").links
    told = [each.records for each in joining(evidence_of(link for link in links if link.stands))]
    assert told == [("crm/0", "crm/1", "crm/2"), ("crm/1", "shop/1"), ("shop/1", "shop/2")]


def test_many_records_are_told_shortly_and_in_full_when_asked(company, cx) -> None:
    entities = {f"crm/{n:02}": {"email": "jane@example.com"} for n in range(30)}
    company.night(entities, {name: {"given_name": "Jane"} for name in entities})
    score(company, {(f"crm/{n:02}", f"crm/{n + 1:02}"): 20.0 + n for n in range(20)})
    short, full = (cx("explain", "crm/00", *option).output for option in ((), ("--all",)))
    assert "and 18 more, which --all lists" in short
    assert "crm/11 and 18 more" in short
    assert "20 more pairs of them were scored, +39.0 to +20.0 bits, which --all lists" in short
    assert len(short.splitlines()) < 30 < 75 < len(full.splitlines())
    assert full.count("crm/29") > 1 and "--all" not in full
    assert full.count(" bits: ") == 21
    score(company, {("crm/00", "crm/05"): 19.7})
    assert "1 more pair of them was scored, +19.7 bits, which --all lists" in cx("explain", "crm/00").output


SETTINGS = {
    "probability_two_random_records_match": 0.2,
    "comparisons": [
        {
            "output_column_name": "family",
            "comparison_levels": [
                {"label_for_charts": "missing", "is_null_level": True},
                {"label_for_charts": "same", "m_probability": 0.8, "u_probability": 0.1},
            ],
        },
        {
            "output_column_name": "birth",
            "comparison_levels": [{"label_for_charts": "different", "m_probability": 0.1, "u_probability": 0.8}],
        },
    ],
}


def test_the_parts_of_a_weight_add_up_and_the_rest_is_how_rare_the_values_are() -> None:
    parts = weigh(SETTINGS, [("family", "same"), ("birth", "different"), ("given", "missing")], 1.5)
    assert [(part.name, pytest.approx(part.bits)) for part in parts] == [
        ("start", -2),
        ("family", 3),
        ("birth", -3),
        ("rarity", 3.5),
    ]
    # From 0 down to -2, up to 1, down to -2, up to 1.5: four bars on a scale from -2 to 1.5.
    lengths = [420 * bits / 3.5 for bits in (2, 3, 3, 3.5)]
    assert [(bar.x, bar.length) for bar in bars(parts)] == [(0, pytest.approx(length)) for length in lengths]


def test_the_history_of_a_customer_is_told(company) -> None:
    company.night({"crm/1": {"login": "u"}, "crm/2": {"login": "v"}})
    company.night({"crm/1": {"login": "u"}, "crm/2": {"login": "v"}, "shop/1": {"login": ["u", "v"]}})
    found = explain(company.lake, company.engine, "shop/1")
    assert [each.event for each in found.history][:1] == ["born"]
    assert "merged" in {each.event for each in found.history}


def test_the_page_draws_what_makes_the_weight_of_a_scored_pair(company) -> None:
    company.night(JANE, SAID)
    scored(company, "crm/1", "desk/a/9", 1.5, family="same", birth="different")
    row = {"model_version": "m1", "trained_at": company.now, "entities": 4, "settings": json.dumps(SETTINGS)}
    rows = pa.Table.from_pylist([row | {"field_profile": "{}"}], schema=MATCHING_MODELS.schema)
    company.lake.append(MATCHING_MODELS, rows, run_id="night")
    page = render_page(explain(company.lake, company.engine, "crm/1"))
    assert page.count('class="waterfall"') == 1
    for expected in ("any two records", "surname: same", "date of birth: different", "how rare the values are", "+3.5"):
        assert expected in page
