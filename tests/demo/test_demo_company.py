"""What the generated company promises: the same from the same seed, effects where planted and nowhere else."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, mannwhitneyu

from cx_orchestration.demo.company import Company, generate, period_of
from cx_orchestration.demo.happenings import Happenings, Period, happen
from cx_orchestration.demo.lives import Lives, live
from cx_orchestration.demo.people import make_people
from cx_orchestration.demo.services.phones import CALL_CENTRE, PLACEHOLDERS, pass_numbers_on
from cx_orchestration.demo.truth import Truth

SEGMENTS = ["acquisition", "region", "plan", "device", "product"]


@dataclass(frozen=True)
class Crowd:
    """Forty thousand people: enough to see an effect of two percentage points."""

    outcomes: pd.DataFrame
    lives: Lives
    happenings: Happenings


def crowd(*, null: bool) -> Crowd:
    rng = np.random.default_rng(12)
    people = make_people(40_000, rng)
    lives = live(people, 90.0, rng, null=null)
    start = 1_780_290_000_000_000
    happenings = happen(people, lives, Period(start, start + 90 * 86_400_000_000), rng)
    return Crowd(lives.outcomes(people), lives, happenings)


@pytest.fixture(scope="module")
def planted() -> Crowd:
    return crowd(null=False)


@pytest.fixture(scope="module")
def null() -> Crowd:
    return crowd(null=True)


def share(rows: pd.DataFrame, outcome: str, segment: str, value: object) -> tuple[float, float]:
    """The rate of an outcome among those of a segment, and among the others."""
    inside = rows[segment] == value
    return float(rows.loc[inside, outcome].mean()), float(rows.loc[~inside, outcome].mean())


def p_value(outcome: "pd.Series[bool]", segment: "pd.Series[str]") -> float:
    return float(chi2_contingency(pd.crosstab(segment, outcome)).pvalue)


def rate_tests(outcomes: pd.DataFrame, segments: list[str]) -> dict[tuple[str, str], float]:
    """The p-values of every outcome by every segment, among those to whom the outcome could happen."""
    everyone = outcomes.assign(abandoned=~outcomes["paid"], asked_ever=outcomes["asked"] > 0)
    possible = {
        "checked_out": everyone,
        "abandoned": everyone[everyone["checked_out"]],
        "set_up": everyone[everyone["paid"]],
        "refunded": everyone[everyone["paid"]],
        "asked_after_purchase": everyone[everyone["paid"]],
        "delayed": everyone[everyone["paid"]],
        "asked_during_setup": everyone[everyone["set_up"]],
        "in_use": everyone[everyone["set_up"]],
        "renewed": everyone[everyone["in_use"]],
        "asked_ever": everyone[everyone["in_use"]],
    }
    return {
        (outcome, segment): p_value(rows[outcome], rows[segment].astype(str))
        for outcome, rows in possible.items()
        for segment in segments
        if segment != outcome and (segment != "delayed" or rows["paid"].all())  # only who pays waits for a delivery
    }


def test_the_same_seed_gives_the_same_company(small_company: Company) -> None:
    again = generate(seed=7, customers=200, days=30)
    assert orjson.dumps(_everything(again)) == orjson.dumps(_everything(small_company))
    pd.testing.assert_frame_equal(again.truth.who, small_company.truth.who)


def test_another_seed_gives_another_company(small_company: Company) -> None:
    other = generate(seed=8, customers=200, days=30)
    assert orjson.dumps(_everything(other)) != orjson.dumps(_everything(small_company))


def _everything(company: Company) -> dict[str, dict[str, list[dict[str, object]]]]:
    return {
        service: {name: records.records for name, records in streams.items()}
        for service, streams in company.records.items()
    }


def test_everything_lies_within_the_period_and_in_order(small_company: Company) -> None:
    period = period_of(small_company.days)
    for streams in small_company.records.values():
        for records in streams.values():
            assert len(records) > 0
            assert records.times[0] >= period.start
            assert records.times[-1] < period.end
            assert (np.diff(records.times) >= 0).all()


def test_every_customer_of_a_service_is_one_person(small_company: Company) -> None:
    who = small_company.truth.who
    assert not who.duplicated(["service", "entity"]).any()
    assert who["person"].between(0, small_company.customers - 1).all()
    assert set(who["service"]) == set(small_company.records)


def test_offices_share_a_mailbox_and_families_a_phone(small_company: Company) -> None:
    person = small_company.truth.who.set_index(["service", "entity"])["person"]
    contacts = pd.DataFrame(small_company.records["salesforce"]["contacts"].records)
    contacts["person"] = [person["salesforce", entity] for entity in contacts["Id"]]
    offices = contacts[contacts["Email"].fillna("").str.startswith("info@")]
    assert offices["person"].nunique() >= 9
    contacts["digits"] = contacts["Phone"].str.replace(r"^\+1|\D", "", regex=True)
    assert contacts.groupby("digits")["person"].nunique().max() >= 2


def test_the_call_centre_and_made_up_numbers_stand_in_many_records() -> None:
    company = generate(seed=7, customers=1_000, days=30)
    contacts = pd.DataFrame(company.records["salesforce"]["contacts"].records)
    desk = pd.DataFrame(company.records["zendesk"]["users"].records)
    assert (contacts["Phone"] == CALL_CENTRE).sum() > 10
    assert (desk["phone"] == CALL_CENTRE).any()
    assert set(PLACEHOLDERS) <= set(contacts["Phone"])


def test_numbers_pass_from_who_left_to_who_came_later() -> None:
    people = make_people(2_000, np.random.default_rng(1))
    lives = live(people, 90.0, np.random.default_rng(2), null=False)
    happenings = happen(people, lives, Period(0, 90 * 86_400_000_000), np.random.default_rng(3))
    later = pass_numbers_on(people, happenings, np.random.default_rng(4))
    came = np.flatnonzero(later.phone != people.phone)
    assert len(came) > 10
    frames = (happenings.web, happenings.charges, happenings.tickets, happenings.leads)
    seen = pd.concat(frames).groupby("person")["at"]
    first, last = seen.min(), seen.max()
    for person in came:
        before = [other for other in np.flatnonzero(people.phone == later.phone[person]) if other in last.index]
        assert any(last[other] < first[person] for other in before)


def test_a_form_sent_without_an_account_tells_the_address_and_the_browser(small_company: Company) -> None:
    events = small_company.records["segment"]["events"].records
    forms = [record for record in events if record["type"] == "identify" and "userId" not in record]
    person = small_company.truth.who.set_index(["service", "entity"])["person"]
    members = {r["email_address"]: r["id"] for r in small_company.records["mailchimp"]["members"].records}
    readers = [record for record in forms if record["traits"]["email"] in members]
    assert len(readers) > 3
    for record in readers:
        reader = person["mailchimp", members[record["traits"]["email"]]]
        assert person["segment", record["anonymousId"]] == reader


def test_a_form_sent_by_somebody_signed_in_tells_the_address_with_the_account(small_company: Company) -> None:
    events = small_company.records["segment"]["events"].records
    typed = [r for r in events if r["type"] == "identify" and "userId" in r and r["traits"].keys() == {"email"}]
    person = small_company.truth.who.set_index(["service", "entity"])["person"]
    addresses = {
        r["email_address"]: ("mailchimp", r["id"]) for r in small_company.records["mailchimp"]["members"].records
    }
    readers = [(r["userId"], addresses[r["traits"]["email"]]) for r in typed if r["traits"]["email"] in addresses]
    assert len(readers) > 3
    assert all(person["segment", login] == person[reader] for login, reader in readers)


def test_most_links_of_surveys_say_which_requester_or_account_was_asked(small_company: Company) -> None:
    answers = small_company.records["survey"]["responses"].records
    person = small_company.truth.who.set_index(["service", "entity"])["person"]
    told = [(a["respondent"]["email"], *pair) for a in answers for pair in a["custom_variables"].items()]
    assert len(told) > 0.8 * len(answers)
    assert {name for _, name, _ in told} == {"requester", "login"}
    for email, name, value in told:
        asked = ("zendesk" if name == "requester" else "segment", value)
        assert person["survey", email] == person[asked]


def test_the_truth_survives_being_written(small_company: Company, tmp_path: Path) -> None:
    small_company.truth.write(tmp_path / "truth")
    read = Truth.read(tmp_path / "truth")
    pd.testing.assert_frame_equal(read.who, small_company.truth.who)
    assert read.planted == small_company.truth.planted
    assert (read.people, read.seed, read.null) == (200, 7, False)


def test_a_null_company_has_the_same_people_and_nothing_planted(small_company: Company) -> None:
    null_company = generate(seed=7, customers=200, days=30, null=True)
    assert null_company.truth.planted == ()
    same = ["acquisition", "region", "plan", "device", "product", "checked_out"]
    pd.testing.assert_frame_equal(null_company.outcomes[same], small_company.outcomes[same])


def test_android_customers_abandon_the_checkout(planted: Crowd) -> None:
    rows = planted.outcomes[planted.outcomes["checked_out"]].assign(abandoned=lambda r: ~r["paid"])
    android, others = share(rows, "abandoned", "device", "android")
    assert android == pytest.approx(0.70, abs=0.02)
    assert others == pytest.approx(0.30, abs=0.02)


def test_pro_kit_customers_ask_for_help_during_setup(planted: Crowd) -> None:
    rows = planted.outcomes[planted.outcomes["set_up"]]
    pro_kit, others = share(rows, "asked_during_setup", "product", "pro_kit")
    assert pro_kit == pytest.approx(0.50, abs=0.04)
    assert others == pytest.approx(0.12, abs=0.02)


def test_community_customers_spend_twice_and_ask_a_third_as_often(planted: Crowd) -> None:
    rows = planted.outcomes[planted.outcomes["paid"]]
    community, others = share(rows, "revenue", "acquisition", "community")
    assert community / others == pytest.approx(2, abs=0.12)
    community, others = share(rows, "asked", "acquisition", "community")
    assert community / others == pytest.approx(1 / 3, abs=0.05)


def test_late_deliveries_cost_refunds_renewals_and_tickets(planted: Crowd) -> None:
    rows = planted.outcomes[planted.outcomes["paid"]]
    assert rows["delayed"].mean() == pytest.approx(0.12, abs=0.01)
    late, punctual = share(rows, "refunded", "delayed", True)
    assert late > punctual + 0.3
    late, punctual = share(rows[rows["in_use"]], "renewed", "delayed", True)
    assert late < punctual - 0.5
    late, punctual = share(rows, "asked_after_purchase", "delayed", True)
    assert late > punctual + 0.35


def test_nothing_else_is_planted(planted: Crowd) -> None:
    tests = rate_tests(planted.outcomes, ["region", "plan"])
    caused = {("abandoned", "device"), ("asked_during_setup", "product"), ("asked_ever", "product")}
    caused |= {(outcome, "acquisition") for outcome in ("asked_during_setup", "asked_after_purchase", "asked_ever")}
    tests |= {key: p for key, p in rate_tests(planted.outcomes, SEGMENTS).items() if key not in caused}
    assert min(tests.values()) * len(tests) > 0.01, min(tests, key=tests.__getitem__)


def test_nothing_is_planted_in_a_null_company(null: Crowd) -> None:
    tests = rate_tests(null.outcomes, [*SEGMENTS, "delayed"])
    paid = null.outcomes[null.outcomes["paid"]]
    for segment in [*SEGMENTS, "delayed"]:
        for value, inside in paid.groupby(segment)["revenue"]:
            outside = paid.loc[paid[segment] != value, "revenue"]
            tests["revenue", f"{segment} {value}"] = float(mannwhitneyu(inside, outside).pvalue)
    assert min(tests.values()) * len(tests) > 0.01, min(tests, key=tests.__getitem__)


def test_a_null_company_has_the_volumes_of_the_planted_one(planted: Crowd, null: Crowd) -> None:
    for outcome in ("paid", "refunded", "asked", "renewed", "revenue"):
        assert null.outcomes[outcome].sum() == pytest.approx(planted.outcomes[outcome].sum(), rel=0.08), outcome


@pytest.mark.parametrize("kind", ["app.error", "payment.failed"])
def test_decoys_have_no_effect_on_who_goes_on_to_pay(planted: Crowd, kind: str) -> None:
    happened, at = planted.happenings, planted.lives.at["checkout"]
    if kind == "app.error":
        met = happened.web[happened.web["kind"] == kind]
        met = met[(met["product"] != "") & (~planted.lives.reached("in_use")[met["person"]])]
    else:
        met = happened.charges[~happened.charges["succeeded"]]
    observed = planted.outcomes[planted.outcomes["checked_out"] & (at < 80)]
    if kind == "app.error":
        observed = observed[~observed["in_use"]]
    hit = pd.Series(observed.index.isin(met["person"]), index=observed.index)
    assert 0.05 < hit.mean() < 0.12
    assert p_value(observed["paid"], hit.astype(str)) > 0.01


def test_who_starts_late_fares_as_who_starts_early(planted: Crowd) -> None:
    late = pd.Series(planted.lives.at["aware"] >= 45).astype(str)
    for outcome, among in (("checked_out", None), ("paid", "checked_out"), ("in_use", "paid"), ("renewed", "in_use")):
        rows = planted.outcomes if among is None else planted.outcomes[planted.outcomes[among]]
        assert p_value(rows[outcome], late[rows.index]) > 0.01


def test_missing_attributes_say_nothing_about_how_far_somebody_gets() -> None:
    company = generate(seed=3, customers=5_000, days=90)
    person = dict(
        company.truth.who[company.truth.who["service"] == "segment"][["entity", "person"]].itertuples(index=False)
    )
    events = company.records["segment"]["events"].records
    identifies = [r for r in events if r["type"] == "identify" and "firstName" in r["traits"]]
    missing = pd.Series({person[r["userId"]]: "plan" not in r["traits"] for r in identifies})
    assert 0.01 < missing.mean() < 0.06
    assert p_value(company.outcomes.loc[missing.index, "paid"], missing.astype(str)) > 0.01
