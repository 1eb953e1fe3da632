"""Customers on the way to milestones, as the fold has placed them: of all, and by the week and month they came in."""

import datetime as dt

import pyarrow as pa
import pytest
from sequenced import sequenced

from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.paths.milestones import milestone_tables
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)  # a Monday
AS_OF = START + dt.timedelta(days=40)

#: One type of event leads to all steps.
AGAIN = JourneyMap.model_validate(
    {
        "journey": "again",
        "stages": ["sales"],
        "steps": {
            name: {"stage": "sales", "milestone": True, "abandoned_after_days": 10}
            for name in ("first", "second", "loyal")
        },
        "begins_with": {"ordered": "first"},
        "transitions": [
            {"from": ["first"], "on": "ordered", "to": "second"},
            {"from": ["second"], "on": "ordered", "to": "loyal", "when": [{"name": "channel", "equals": "web"}]},
        ],
        "conversion_window_days": 5,
    }
)

#: Customer, type, day, channel.
EVENTS = [
    ("ann", "ordered", 0, "web"),
    ("ann", "ordered", 1, "web"),
    ("ann", "ordered", 1.5, "phone"),  # its guard does not hold: a deviation
    ("ann", "ordered", 5, "web"),  # at the very end of the window
    ("bob", "ordered", 0, "web"),
    ("bob", "ordered", 20, "web"),  # resumes what was abandoned
    ("cay", "viewed", 6, "web"),  # a Sunday; off the map
    ("cay", "ordered", 8, "web"),
    ("cay", "ordered", 10, "phone"),
    ("dan", "ordered", 36, "web"),  # has still time
    ("eve", "viewed", 3, "web"),  # is on no journey
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("milestones"))
    rows = [
        {"customer_id": who, "event_id": f"e{place:02}", "type": kind, "channel": channel, "bucket": 0}
        | {"occurred_at": START + day * dt.timedelta(days=1)}
        for place, (who, kind, day, channel) in enumerate(EVENTS)
    ]
    codes = {"ordered": 0, "viewed": 1}
    lake.replace(tables.SEQUENCES, sequenced(rows, codes), where={"bucket": (0, 0)}, run_id="r")
    types = pa.table({"type": list(codes), "type_code": list(codes.values())}, schema=tables.EVENT_TYPES.schema)
    lake.replace(tables.EVENT_TYPES, types, run_id="r")
    fold_journeys(lake, Engine(), [AGAIN], as_of=AS_OF, currency="USD", support_contact_cost=1, run_id="r")
    built = milestone_tables(lake, Engine(), [AGAIN], as_of=AS_OF)
    return {table: rows.to_pylist() for table, rows in built.items()}


def cohort(found, step, period, first_day):
    key = ("again", step, period, first_day)
    names = ("journey", "step", "period", "cohort")
    (row,) = [row for row in found[tables.COHORT_MILESTONES] if tuple(row[name] for name in names) == key]
    return row


def test_milestones_that_one_type_of_event_leads_to_are_told_apart(found):
    shares = {(row["step"], row["days"]): row["share"] for row in found[tables.TIME_TO_MILESTONE]}
    # Ann, Cay and Bob come to the second order on days 1, 2 and 20 after the first; Dan is lost from sight on day 4.
    assert (shares["second", 1], shares["second", 2]) == (pytest.approx(1 / 4), pytest.approx(1 / 2))
    assert shares["second", 14] == pytest.approx(1 / 2)
    assert ("second", 21) not in shares  # nobody is followed any more
    # To the third Ann alone, on day 5, when three are still followed: what her guard refused was none.
    assert (shares["loyal", 3], shares["loyal", 5], shares["loyal", 30]) == (
        0,
        pytest.approx(1 / 3),
        pytest.approx(1 / 3),
    )
    assert {row["customers"] for row in found[tables.TIME_TO_MILESTONE]} == {4}


def test_a_step_where_everybody_begins_is_no_milestone_on_the_way(found):
    assert {row["step"] for rows in found.values() for row in rows} == {"second", "loyal"}


@pytest.mark.parametrize(("period", "first_day"), [("week", dt.date(2026, 3, 2)), ("month", dt.date(2026, 3, 1))])
def test_a_cohort_is_by_the_first_event_and_its_window_from_the_first_beginning(found, period, first_day):
    second = cohort(found, "second", period, first_day)
    # Ann and Cay within five days; Bob later, in his second instance.
    assert (second["customers"], second["reached"], second["mature"], second["reached_in_time"]) == (3, 3, 3, 2)
    assert (second["window_days"], second["median_days"], second["median_moves"]) == (5, 1.5, 1)
    assert second["share"] == pytest.approx(2 / 3)
    # Wilson's interval of 2 in 3, by its formula.
    assert (second["share_low"], second["share_high"]) == (
        pytest.approx(0.2077, abs=1e-4),
        pytest.approx(0.9385, abs=1e-4),
    )
    assert (second["instances"], second["instances_reached"]) == (4, 3)
    loyal = cohort(found, "loyal", period, first_day)
    assert (loyal["reached_in_time"], loyal["median_days"], loyal["median_moves"]) == (1, 5, 2)
    assert (loyal["instances"], loyal["share_of_instances"]) == (4, 1 / 4)


def test_customers_who_still_have_time_are_in_no_share(found):
    dan = cohort(found, "second", "week", dt.date(2026, 4, 6))
    assert (dan["customers"], dan["mature"], dan["share"]) == (1, 0, None)
    assert (dan["instances"], dan["share_of_instances"]) == (0, None)
