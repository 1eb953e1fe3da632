"""The four analyses on a company whose effects are known, and the arithmetic of each on a handful of customers."""

import base64
import datetime as dt

import numpy as np
import pyarrow.compute as pc
import pytest
from lifecycle_company import (
    ALL,
    AS_OF,
    LIFECYCLE,
    NONE,
    SETTINGS,
    START,
    Planted,
    as_profiles,
    company,
    happenings,
    settle,
)
from scipy import stats

from cx_orchestration.exploration.abandonment_hotspots import abandonment_hotspots
from cx_orchestration.exploration.change_priorities import change_priorities
from cx_orchestration.exploration.cohorts import read_cohorts
from cx_orchestration.exploration.pictures import findings_picture
from cx_orchestration.exploration.profitable_paths import profitable_paths
from cx_orchestration.exploration.significance import level
from cx_orchestration.exploration.support_shifts import support_shifts
from cx_orchestration.model import tables
from cx_orchestration.model.settings import Exploration, Settings
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

FEW = Exploration(min_customers=5, support_contact_cost=10)

E1 = (tables.ABANDONMENT_HOTSPOTS.path, "checkout", "device", "android")
E2 = (tables.SUPPORT_SHIFTS.path, "setup", "product", "pro_kit")
E3 = (tables.PROFITABLE_PATHS.path, None, "acquisition", "community")
E4 = (tables.CHANGE_PRIORITIES.path, "purchased", "friction", "delivery.delayed")


def explore(lake: Lake, exploration: Exploration = SETTINGS, maps=(LIFECYCLE,)):
    engine = Engine()
    cohorts = read_cohorts(lake, engine, maps, as_of=AS_OF)
    return {
        table: analyse(engine, cohorts, declared(exploration))
        for table, analyse in (
            (tables.ABANDONMENT_HOTSPOTS, abandonment_hotspots),
            (tables.SUPPORT_SHIFTS, support_shifts),
            (tables.PROFITABLE_PATHS, profitable_paths),
            (tables.CHANGE_PRIORITIES, change_priorities),
        )
    }


def analysed(analyse, lake: Lake, *, exploration: Exploration = FEW, journey=LIFECYCLE, as_of=AS_OF):
    return analyse(Engine(), read_cohorts(lake, Engine(), [journey], as_of=as_of), declared(exploration))


def declared(exploration: Exploration) -> Settings:
    return Settings(name="Company", start_date=START.date(), currency="USD", exploration=exploration)


def found(results) -> set[tuple]:
    return {
        (table.path, row["step"], row["segment"], row["segment_value"])
        for table, rows in results.items()
        for row in rows.to_pylist()
        if row["is_finding"]
    }


def row(rows, **where):
    (only,) = [row for row in rows.to_pylist() if all(row[name] == value for name, value in where.items())]
    return only


def days_ago(days: float) -> float:
    return 90 - days


@pytest.fixture(scope="module")
def planted_lake(tmp_path_factory):
    return settle(Lake(tmp_path_factory.mktemp("lake")), *company(1, ALL))


@pytest.fixture(scope="module")
def planted(planted_lake):
    return explore(planted_lake)


# --- what is found ----------------------------------------------------------------------------------------------------


def test_the_four_planted_effects_are_found_and_nothing_else(planted):
    assert found(planted) == {E1, E2, E3, E4}


def test_what_is_found_shows_in_both_halves_of_the_time(planted):
    for table, rows in planted.items():
        for one in rows.to_pylist():
            assert one["is_stable"] or not one["is_finding"]
            if one["effect_early"] is not None and one["effect_late"] is not None:
                signs = {np.sign(one[name]) for name in ("effect", "effect_early", "effect_late")}
                assert one["is_stable"] == (len(signs) == 1 and signs != {0}), (table.path, one)


def test_a_planted_rate_lies_in_its_interval(planted):
    hotspot = row(planted[tables.ABANDONMENT_HOTSPOTS], step="checkout", segment_value="android")
    assert hotspot["effect_low"] < 0.70 - 0.30 < hotspot["effect_high"]
    assert hotspot["effect"] == pytest.approx(hotspot["value"] - hotspot["baseline"])


@pytest.mark.parametrize(
    ("analyse", "planted", "expected"),
    [
        (abandonment_hotspots, {"e1": True}, E1),
        (support_shifts, {"e2": True}, E2),
        (profitable_paths, {"e3": True}, E3),
        (change_priorities, {"e4": True}, E4),
    ],
    ids=["E1", "E2", "E3", "E4"],
)
def test_each_effect_is_found_without_the_others(tmp_path, analyse, planted, expected):
    lake = settle(Lake(tmp_path), *company(3, Planted(**planted), customers=4000))
    of_its_analysis = analysed(analyse, lake, exploration=SETTINGS).to_pylist()
    assert [(one["step"], one["segment"], one["segment_value"]) for one in of_its_analysis if one["is_finding"]] == [
        expected[1:]
    ]


def test_companies_without_effects_have_findings_no_more_often_than_declared(tmp_path):
    companies = 6  # bench/findings explores a hundred of the default size
    with_finding = 0
    for seed in range(companies):
        with_finding += bool(found(explore(settle(Lake(tmp_path / str(seed)), *company(seed, NONE, customers=1000)))))
    assert with_finding <= stats.binom.ppf(0.99, companies, SETTINGS.error_rate)


def test_a_value_that_merely_goes_with_the_cause_is_its_shadow(tmp_path):
    lake = settle(Lake(tmp_path), *company(4, Planted(e1=True, android_is_western=True)))
    hotspots = analysed(abandonment_hotspots, lake, exploration=SETTINGS)
    cause = row(hotspots, step="checkout", segment_value="android")
    shadow = row(hotspots, step="checkout", segment_value="west")
    assert shadow["p_adjusted"] < 1e-6
    assert (cause["is_finding"], shadow["is_finding"]) == (True, False)
    assert shadow["shadow_of"] == cause["finding_id"]


def test_what_two_attributes_do_together_is_found_and_named(tmp_path):
    hotspots = analysed(
        abandonment_hotspots,
        settle(Lake(tmp_path), *company(4, Planted(together=True), customers=5000)),
        exploration=SETTINGS,
    )
    cause = row(hotspots, step="checkout", segment="device & region", segment_value="android & west")
    assert [one["finding_id"] for one in hotspots.to_pylist() if one["is_finding"]] == [cause["finding_id"]]
    assert cause["effect_low"] < 0.7 - 0.3 < cause["effect_high"]
    # Half of them: the other half is where it was found.
    device = row(hotspots, step="checkout", segment="device", segment_value="android")
    assert cause["n"] + cause["baseline_n"] < 0.6 * (device["n"] + device["baseline_n"])
    assert device["shadow_of"] == cause["finding_id"] or not device["p_adjusted"] < level(SETTINGS.error_rate)


def test_one_cause_is_not_reported_at_the_neighbouring_steps_too(planted):
    shifts = planted[tables.SUPPORT_SHIFTS]
    cause = row(shifts, step="setup", segment_value="pro_kit")
    neighbour = row(shifts, step="purchased", segment_value="pro_kit")
    assert neighbour["p_adjusted"] < level(SETTINGS.error_rate)
    assert (neighbour["is_finding"], neighbour["shadow_of"]) == (False, cause["finding_id"])


def test_the_better_values_of_an_attribute_with_a_cause_are_no_findings(planted):
    for name in ("ios", "desktop"):
        other = row(planted[tables.ABANDONMENT_HOTSPOTS], step="checkout", segment_value=name)
        assert other["effect"] < 0
        assert (other["is_finding"], other["value_at_risk"]) == (False, 0)


# --- what a table holds -----------------------------------------------------------------------------------------------


def test_everything_looked_at_is_in_the_table_and_in_the_correction(planted):
    for table, rows in planted.items():
        assert rows.schema == table.schema
        assert len(set(rows.column("finding_id").to_pylist())) == rows.num_rows
        assert rows.num_rows > sum(rows.column("is_finding").to_pylist())
        p_values = rows.column("p_value").to_pylist()
        strongest = min(range(len(p_values)), key=p_values.__getitem__)
        at_most = min(1.0, p_values[strongest] * len(p_values))
        assert rows.column("p_adjusted").to_pylist()[strongest] == pytest.approx(at_most)


def test_a_second_run_gives_equal_tables(planted_lake, planted):
    """With rules (E3), and with sums of floating numbers alone (E4); E1 and E2 count in whole numbers."""
    for table, analyse in ((tables.PROFITABLE_PATHS, profitable_paths), (tables.CHANGE_PRIORITIES, change_priorities)):
        assert analysed(analyse, planted_lake, exploration=SETTINGS).equals(planted[table])


def test_an_empty_lake_gives_empty_tables(tmp_path):
    for table, rows in explore(Lake(tmp_path)).items():
        assert (rows.num_rows, rows.schema) == (0, table.schema)


def test_without_maps_there_is_nothing_to_look_at(planted_lake):
    assert all(rows.num_rows == 0 for rows in explore(planted_lake, maps=()).values())


def test_findings_can_be_written_to_the_lake(tmp_path, planted):
    lake = Lake(tmp_path)
    for table, rows in planted.items():
        lake.replace(table, rows, run_id="r")
        assert lake.read(table).num_rows == rows.num_rows


def test_the_picture_is_small_and_holds_the_findings(planted):
    table = tables.SUPPORT_SHIFTS
    picture = findings_picture(table, planted[table])
    start = "![support shifts](data:image/svg+xml;base64,"
    assert picture.startswith(start)
    drawn = base64.b64decode(picture.removeprefix(start).removesuffix(")")).decode()
    assert "product pro_kit at setup" in drawn
    assert len(picture) < 60_000
    assert "large enough" in findings_picture(table, table.empty())


# --- E1 by hand -------------------------------------------------------------------------------------------------------

UP_TO_CHECKOUT = ("ad.clicked", "product.viewed", "signup.completed", "checkout.started")


def shopper(customer: int, day: float, device: str, *more: tuple) -> list[tuple]:
    way = [(customer, day, kind, {"device": device}) for kind in UP_TO_CHECKOUT]
    return [*way, *[(customer, day + later, *rest) for later, *rest in more]]


def checkout_of(tmp_path, *shoppers: list[tuple]):
    """Pads both devices with ten customers each who buy at once for nothing."""
    padding = [shopper(100 + n, 5, "android" if n < 10 else "ios", (1, "order.completed")) for n in range(20)]
    events = [event for events in [*shoppers, *padding] for event in events]
    lake = settle(Lake(tmp_path), happenings(*sorted(events, key=lambda e: e[:2])), as_profiles({"region": ["west"]}))
    return row(analysed(abandonment_hotspots, lake), segment_value="android")


def test_who_moves_on_in_time_has_not_abandoned_and_who_does_later_has(tmp_path):
    found = checkout_of(
        tmp_path,
        shopper(0, 10, "android", (5, "order.completed")),
        shopper(1, 10, "android", (5.001, "order.completed")),
        shopper(2, 10, "android"),
    )
    assert (found["n"], found["value"]) == (13, pytest.approx(2 / 13))


def test_entries_too_young_to_be_judged_are_left_out_whatever_they_did(tmp_path):
    found = checkout_of(
        tmp_path,
        shopper(0, days_ago(10), "android"),
        shopper(1, days_ago(9), "android", (1, "order.completed")),
        shopper(2, days_ago(10.001), "android"),
    )
    assert (found["n"], found["value"]) == (11, pytest.approx(1 / 11))


def test_value_at_risk_is_the_excess_times_what_the_others_who_went_on_spent_later(tmp_path):
    giving_up = [shopper(n, 10, "android") for n in range(10)]
    spending = [
        shopper(50, 10, "ios", (1, "order.completed", {"amount": 110}), (2, "subscription.renewed", {"amount": 22})),
        shopper(51, 10, "ios"),
    ]
    found = checkout_of(tmp_path, *giving_up, *spending)
    assert (found["value"], found["baseline"]) == (pytest.approx(10 / 20), pytest.approx(1 / 12))
    assert found["value_at_risk"] == pytest.approx((10 / 20 - 1 / 12) * 20 * 132 / 11)


def test_how_long_a_finding_takes_counts_who_still_rests_as_censored(planted):
    rows = planted[tables.ABANDONMENT_HOTSPOTS]
    cause = row(rows, step="checkout", segment_value="android")
    # 70% of them never go on, so there is no median; the others go on within half a day.
    assert (cause["hours_to_move_on"], cause["days_to_milestone"]) == (None, None)
    assert 0 < cause["baseline_hours_to_move_on"] < 12
    assert row(rows, step="checkout", segment_value="basic")["baseline_hours_to_move_on"] is None


# --- E2 by hand -------------------------------------------------------------------------------------------------------


def asking(tmp_path, *askers: list[tuple]):
    padding = [[(100 + n, 5, "ad.clicked", {"device": "android" if n < 10 else "ios"})] for n in range(20)]
    events = [event for events in [*askers, *padding] for event in events]
    lake = settle(Lake(tmp_path), happenings(*sorted(events, key=lambda e: e[:2])), as_profiles({"region": ["west"]}))
    return row(analysed(support_shifts, lake), segment_value="android")


def asker(customer: int, day: float, *later: float) -> list[tuple]:
    return [(customer, day, "ad.clicked", {"device": "android"})] + [
        (customer, day + after, "support.requested") for after in later
    ]


def test_contacts_count_within_the_window_after_the_step_only(tmp_path):
    found = asking(tmp_path, asker(0, 10, 0.1, 6.9), asker(1, 10, 7), asker(2, 10, -1), asker(3, 10))
    assert (found["n"], found["value"]) == (14, pytest.approx(1 / 14))


def test_the_halves_of_the_time_part_at_the_day_when_half_had_come(tmp_path):
    """The padding comes on day 5: all twenty, then four on day 20, of whom one asks."""
    found = asking(tmp_path, asker(0, 20, 1), asker(1, 20), asker(2, 20), asker(3, 20))
    assert (found["effect_early"], found["effect_late"], found["is_stable"]) == (0, None, False)


def test_what_came_before_and_how_often_they_asked_is_told_of_those_who_asked(tmp_path):
    once = [*asker(0, 10, 3), (0, 12, "app.error")]
    rows = asking(tmp_path, sorted(once, key=lambda e: e[1]), asker(1, 10, 1, 2), asker(2, 10))
    assert rows["before_contact"] == "ad.clicked 50%, app.error 50%"
    assert (rows["contacts_per_asker"], rows["repeat_rate"]) == (1.5, 0.5)
    assert rows["hours_to_human"] is None


def test_the_time_until_a_human_answers_counts_who_still_waits_as_censored(tmp_path):
    answered = LIFECYCLE.model_copy(update={"human_events": ["agent.replied"]})
    asked = [(n, 10, "ad.clicked", {"device": "android"}) for n in range(5)] + [
        (n, 11, "support.requested") for n in range(5)
    ]
    replies = [(0, 11.5, "agent.replied"), (1, 12, "agent.replied"), (2, 13, "agent.replied")]
    others = [(100 + n, 5, "ad.clicked", {"device": "ios"}) for n in range(10)]
    lake = settle(Lake(tmp_path), happenings(*others, *asked, *replies), as_profiles({"region": ["west"]}), answered)
    rows = analysed(support_shifts, lake, journey=answered)
    assert row(rows, segment_value="android")["hours_to_human"] == pytest.approx(48)


def test_the_window_must_have_passed(tmp_path):
    found = asking(tmp_path, asker(0, days_ago(7), 1), asker(1, days_ago(6.9), 1))
    assert (found["n"], found["value"]) == (11, pytest.approx(1 / 11))


def test_support_cost_counts_every_contact_above_the_others(tmp_path):
    assert asking(tmp_path, asker(0, 10, 1, 2, 3))["support_cost"] == pytest.approx(3 * 10)


# --- E3 by hand -------------------------------------------------------------------------------------------------------


def beginners(tmp_path, *events: tuple):
    """Twenty customers, ten on each device, who begin on day 30 and are followed for sixty days."""
    starts = [(n, 30, "ad.clicked", {"device": "android" if n < 10 else "ios"}) for n in range(20)]
    lake = settle(Lake(tmp_path), happenings(*starts, *events), as_profiles({"region": ["west"]}))
    return row(analysed(profitable_paths, lake), segment_value="android")


def test_revenue_and_support_count_within_the_same_time_for_all(tmp_path):
    found = beginners(
        tmp_path,
        (0, 89, "bill.paid", {"amount": 100}),
        (0, 89, "support.requested"),
        (1, 29, "bill.paid", {"amount": 7}),
        (11, 40, "bill.paid", {"amount": 30}),
    )
    assert (found["value"], found["baseline"], found["effect"]) == (10, 3, 7)
    assert (found["support_rate"], found["baseline_support_rate"]) == (0.1, 0)


def test_customers_followed_for_less_than_the_horizon_do_not_count(tmp_path):
    late = [(50 + n, 31, "ad.clicked", {"device": "android"}) for n in range(3)]
    assert beginners(tmp_path, *late)["n"] == 10


def test_the_path_is_the_commonest_of_those_who_paid(tmp_path):
    paying = [(n, 31 + n / 100, "product.viewed") for n in (0, 1)] + [
        (n, 33, "bill.paid", {"amount": 5}) for n in (0, 1)
    ]
    assert beginners(tmp_path, *paying)["path"] == "aware > evaluating"
    assert beginners(tmp_path / "none")["path"] == "aware"


def test_on_the_frontier_is_what_no_other_beats_in_both(planted):
    rows = planted[tables.PROFITABLE_PATHS].to_pylist()
    for one in rows:
        beaten = any(
            (other["value"], -other["support_rate"]) != (one["value"], -one["support_rate"])
            and other["value"] >= one["value"]
            and other["support_rate"] <= one["support_rate"]
            for other in rows
        )
        assert one["on_frontier"] == (not beaten)
    assert [one["segment_value"] for one in rows if one["on_frontier"] and one["is_finding"]] == ["community"]


def test_what_winning_them_cost_comes_from_the_attribute_that_the_map_names(tmp_path):
    priced = LIFECYCLE.model_copy(update={"acquisition_cost": "bid"})
    bids = [12, 8, "unknown", None]
    starts = [
        (n, 30, "ad.clicked", {"device": "android" if n < 10 else "ios"} | ({"bid": bid} if bid is not None else {}))
        for n, bid in zip(range(20), bids * 5, strict=True)
    ]
    lake = settle(Lake(tmp_path), happenings(*starts), as_profiles({"region": ["west"]}), priced)
    rows = analysed(profitable_paths, lake, journey=priced)
    assert row(rows, segment_value="android")["acquisition_cost"] == pytest.approx((3 * 12 + 3 * 8) / 6)
    assert set(rows["segment"].to_pylist()) == {"device"}


def test_more_revenue_with_more_support_is_no_finding(tmp_path):
    sequences, profiles = company(3, Planted(e3=True), customers=3000)
    louder = LIFECYCLE.model_copy(update={"support_events": ["subscription.renewed"]})
    lake = settle(Lake(tmp_path), sequences, profiles, louder)
    rows = analysed(profitable_paths, lake, exploration=SETTINGS, journey=louder)
    community = row(rows, segment_value="community")
    assert community["effect_low"] > 0
    assert not community["is_finding"]


# --- E4 by hand -------------------------------------------------------------------------------------------------------


def buyers(tmp_path, *events: tuple):
    """Forty customers who come to the first step on day 10; 0 to 9 meet an error half a day later."""
    starts = [(n, 10, "ad.clicked") for n in range(40)]
    errors = [(n, 10.5, "app.error") for n in range(10)]
    lake = settle(Lake(tmp_path), happenings(*starts, *errors, *events), as_profiles({"region": ["west"]}))
    rows = analysed(change_priorities, lake)
    return row(rows, segment_value="app.error", step="aware")


def test_outcomes_count_from_the_same_landmark_for_both_groups(tmp_path):
    found = buyers(
        tmp_path,
        (0, 11.9, "bill.paid", {"amount": 1000}),
        (39, 11.9, "bill.paid", {"amount": 1000}),
        *[(n, 12, "bill.paid", {"amount": 60}) for n in range(10, 40)],
        *[(n, 20, "support.requested") for n in range(5)],
    )
    assert (found["n"], found["baseline_n"]) == (10, 30)
    assert (found["value"], found["baseline"], found["effect"]) == (-5, 60, -65)
    assert (found["revenue_kept"], found["expense_saved"], found["net_value"]) == (600, 50, 650)
    assert found["net_value_low"] < 650 < found["net_value_high"]
    assert (found["rank"], found["change"]) == (1, "prevent app.error at aware")
    assert "in the 78 days after" in found["assumption"]


def test_who_meets_it_after_the_landmark_belongs_to_the_others(tmp_path):
    assert buyers(tmp_path, (20, 12, "app.error"))["baseline_n"] == 30


def test_who_meets_it_after_leaving_the_step_is_in_neither_group(tmp_path):
    found = buyers(tmp_path, (20, 10.2, "product.viewed"), (20, 10.4, "app.error"))
    assert (found["n"], found["baseline_n"]) == (10, 29)


def test_money_in_another_currency_is_no_revenue(tmp_path):
    starts = [(n, 10, "ad.clicked") for n in range(40)] + [(n, 10.5, "app.error") for n in range(10)]
    paid = happenings(*starts, *[(n, 20, "bill.paid", {"amount": 60}) for n in range(40)])
    where = paid.schema.get_field_index("currency")
    lake = settle(
        Lake(tmp_path), paid.set_column(where, "currency", [["EUR"] * paid.num_rows]), as_profiles({"x": ["y"]})
    )
    found = analysed(change_priorities, lake).to_pylist()
    assert [(one["value"], one["baseline"]) for one in found] == [(0, 0)]


def test_findings_are_ranked_before_everything_else_then_by_net_value(planted):
    rows = planted[tables.CHANGE_PRIORITIES].to_pylist()
    assert [one["rank"] for one in rows] == list(range(1, len(rows) + 1))
    assert rows == sorted(rows, key=lambda one: (not one["is_finding"], -one["net_value"]))
    assert rows[0]["segment_value"] == "delivery.delayed"


def test_nothing_after_the_instant_of_judging_is_used(tmp_path):
    lake = settle(Lake(tmp_path), *company(1, ALL, customers=1500))
    early = AS_OF - dt.timedelta(days=30)
    hotspots = analysed(abandonment_hotspots, lake, as_of=early)
    cut = lake.read(tables.SEQUENCES)
    cut = cut.filter(pc.less(cut.column("occurred_at"), early))
    other = settle(Lake(tmp_path / "cut"), cut, lake.read(tables.PROFILES))
    again = analysed(abandonment_hotspots, other, as_of=early)
    assert hotspots.equals(again)
