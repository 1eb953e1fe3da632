"""Snapshots of the inventory: when one is taken, how they are read side by side, what counts as a change."""

import datetime as dt
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from cx_orchestration.catalog.snapshots import (
    Change,
    changes_between,
    content_id,
    snapshot,
    snapshots,
)
from cx_orchestration.model import tables
from cx_orchestration.model.inventory import InventoryRow
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

RowOf = Callable[..., InventoryRow]
NOW = dt.datetime(2026, 11, 5, 8, 30, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=30)


def test_the_first_snapshot_adds_every_service(lake: Lake, row_of: RowOf) -> None:
    rows = [row_of("Zendesk"), row_of("Stripe"), row_of("Stripe", team="Finance")]
    taken = snapshot(lake, rows, now=NOW, run_id="r1")
    assert (taken.committed, taken.previous_id, taken.snapshot_at) == (True, None, NOW)
    assert [str(change) for change in taken.changes] == ["service added: stripe", "service added: zendesk"]
    assert taken.summary() == "First snapshot: 2 services."


def test_what_was_written_is_read_back(lake: Lake, row_of: RowOf) -> None:
    rows = [row_of("Stripe", extras={"cost": "12"}), row_of("Zendesk", business_leader="Zoë")]
    snapshot(lake, rows, now=NOW, run_id="r1")
    assert list(snapshots(lake)[-1].rows) == rows


def test_there_is_no_inventory_before_the_first_snapshot(lake: Lake) -> None:
    assert snapshots(lake) == []


def test_the_same_content_in_another_order_commits_nothing(lake: Lake, row_of: RowOf) -> None:
    rows = [row_of("Zendesk"), row_of("Stripe", extras={"a": "1", "b": "2"})]
    first = snapshot(lake, rows, now=NOW, run_id="r1")
    again = [row_of("Stripe", extras={"b": "2", "a": "1"}), row_of("Zendesk")]
    version, content = lake.version(tables.INVENTORY), lake.content_hash(tables.INVENTORY)
    second = snapshot(lake, again, now=LATER, run_id="r2")
    assert (second.committed, second.changes, second.snapshot_id) == (False, (), first.snapshot_id)
    assert second.summary() == "Nothing changed since 2026-11-05 08:30 UTC."
    assert (lake.version(tables.INVENTORY), lake.content_hash(tables.INVENTORY)) == (version, content)


def test_snapshots_can_be_read_side_by_side(lake: Lake, row_of: RowOf) -> None:
    snapshot(lake, [row_of("Stripe", customers_per_year=10)], now=NOW, run_id="r1")
    snapshot(lake, [row_of("Stripe", customers_per_year=20), row_of("Zendesk")], now=LATER, run_id="r2")
    assert [(kept.snapshot_at, len(kept.rows)) for kept in snapshots(lake)] == [(NOW, 1), (LATER, 2)]
    side_by_side = """
        SELECT service, min(customers_per_year) AS was, max(customers_per_year) AS is_now
        FROM inventory GROUP BY service ORDER BY service
    """
    rows = Engine().query(side_by_side, {"inventory": lake.scan(tables.INVENTORY)}).to_pylist()
    assert rows[0] == {"service": "stripe", "was": 10, "is_now": 20}


def test_content_that_comes_back_is_the_newest_snapshot_again(lake: Lake, row_of: RowOf) -> None:
    first, other = [row_of("Stripe")], [row_of("Zendesk")]
    taken = [snapshot(lake, rows, now=NOW, run_id="r") for rows in (first, other, first)]
    assert [each.committed for each in taken] == [True, True, True]
    assert taken[0].snapshot_id == taken[2].snapshot_id
    assert list(snapshots(lake)[-1].rows) == first


def test_a_clock_that_went_back_does_not_change_the_order(lake: Lake, row_of: RowOf) -> None:
    snapshot(lake, [row_of("Stripe")], now=LATER, run_id="r1")
    taken = snapshot(lake, [row_of("Zendesk")], now=NOW, run_id="r2")
    assert taken.snapshot_at > LATER
    assert [row.service for row in snapshots(lake)[-1].rows] == ["zendesk"]


def test_services_added_and_removed_and_fields_changed_are_named(lake: Lake, row_of: RowOf) -> None:
    snapshot(lake, [row_of("Stripe"), row_of("Zendesk"), row_of("Zendesk", team="Sales")], now=NOW, run_id="r1")
    taken = snapshot(
        lake,
        [row_of("Zendesk", customer_impact="All"), row_of("Zendesk", team="Sales"), row_of("Mailchimp")],
        now=LATER,
        run_id="r2",
    )
    assert taken.changes == (
        Change("service added", "mailchimp"),
        Change("service removed", "stripe"),
        Change("field changed", "zendesk", "Support, Support", "customer_impact", "Some", "All"),
    )
    assert taken.summary().splitlines() == [
        "service added: mailchimp",
        "service removed: stripe",
        "zendesk (Support, Support): Customer Impact from 'Some' to 'All'",
    ]


def test_a_row_that_moved_to_another_team_is_one_change(row_of: RowOf) -> None:
    before = [row_of("Zendesk"), row_of("Zendesk", team="Sales", business_function="Leads")]
    after = [row_of("Zendesk"), row_of("Zendesk", team="Marketing", business_function="Leads")]
    assert changes_between(before, after) == [
        Change("field changed", "zendesk", "Leads, Sales", "team", "Sales", "Marketing")
    ]


def test_rows_of_a_service_that_come_and_go_are_named(row_of: RowOf) -> None:
    one, two = row_of("Zendesk"), row_of("Zendesk", team="Sales")
    assert changes_between([one], [one, two]) == [Change("row added", "zendesk", "Support, Sales")]
    assert changes_between([one, two], [one]) == [Change("row removed", "zendesk", "Support, Sales")]


def test_a_column_that_appears_is_a_change(row_of: RowOf) -> None:
    (change,) = changes_between([row_of("Zendesk")], [row_of("Zendesk", extras={"cost": "5"})])
    assert str(change) == "zendesk (Support, Support): cost from no such column to '5'"


def test_the_summary_names_no_person(lake: Lake, row_of: RowOf) -> None:
    snapshot(lake, [row_of("Zendesk")], now=NOW, run_id="r1")
    taken = snapshot(lake, [row_of("Zendesk", business_leader="Kim Lund")], now=LATER, run_id="r2")
    assert (taken.changes[0].before, taken.changes[0].after) == ("Eve Moss", "Kim Lund")
    assert taken.summary() == "zendesk (Support, Support): Business Leader is somebody else"


def test_a_long_summary_says_how_much_it_leaves_out(lake: Lake, row_of: RowOf) -> None:
    snapshot(lake, [row_of("Zendesk")], now=NOW, run_id="r1")
    taken = snapshot(lake, [row_of("Zendesk"), *(row_of(f"Tool {n}") for n in range(5))], now=LATER, run_id="r2")
    assert taken.summary(most=3).splitlines()[-1] == "and 2 more changes"


_TEAMS = st.sampled_from(["Sales", "Support", "Finance"])
_ROWS = st.lists(st.tuples(st.sampled_from(["A", "B"]), _TEAMS, st.sampled_from(["x", "y"]), st.integers(0, 2)))


def _inventory(rows: list[tuple[str, str, str, int]]) -> list[InventoryRow]:
    common = {
        "business_leader": "a",
        "technical_leader": "b",
        "business_impact": "Critical",
        "customer_impact": "All",
        "implementation_profile": "Custom System",
        "integration_profile": "Inaccessible",
        "product_dependency": "Uncoupled",
        "observed_by": "c",
        "observed_on": "2026-01-01",
    }
    return [
        InventoryRow.model_validate(
            common | {"system": system, "team": team, "business_function": function, "customers_per_year": customers}
        )
        for system, team, function, customers in rows
    ]


@settings(deadline=None)
@given(_ROWS, st.randoms(use_true_random=False))
def test_order_makes_no_change(rows: list[tuple[str, str, str, int]], random) -> None:
    before = _inventory(rows)
    after = list(before)
    random.shuffle(after)
    assert changes_between(before, after) == []
    assert content_id(before) == content_id(after)


@settings(deadline=None)
@given(_ROWS, _ROWS)
def test_two_inventories_that_differ_have_changes_and_other_ids(one, two) -> None:
    before, after = _inventory(one), _inventory(two)
    same = sorted(one) == sorted(two)
    assert (changes_between(before, after) == []) == same
    assert (content_id(before) == content_id(after)) == same


@settings(deadline=None)
@given(_ROWS, _ROWS)
def test_rows_added_less_rows_removed_is_the_difference_in_rows(one, two) -> None:
    def of_both(rows):
        return [row for row in rows if row[0] in {r[0] for r in one} & {r[0] for r in two}]

    changes = changes_between(_inventory(of_both(one)), _inventory(of_both(two)))
    added = sum(change.what == "row added" for change in changes)
    removed = sum(change.what == "row removed" for change in changes)
    assert added - removed == len(of_both(two)) - len(of_both(one))
