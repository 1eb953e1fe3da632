"""The tables of paths: what they say of a small company, and that their totals agree."""

import base64
import datetime as dt
import xml.etree.ElementTree as ET

import pyarrow as pa
import pytest
from sequenced import sequenced

from cx_orchestration.journeys.drawing.figures import figure_tables
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.paths.build import build_paths, reconcile
from cx_orchestration.journeys.paths.pictures import path_picture
from cx_orchestration.model import tables
from cx_orchestration.model.funnel import Funnels
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
AS_OF = START + dt.timedelta(days=20)

PURCHASE = JourneyMap.model_validate(
    {
        "journey": "purchase",
        "stages": ["sales"],
        "steps": {
            "cart": {"stage": "sales", "abandoned_after_days": 4},
            "paid": {"stage": "sales", "milestone": True, "abandoned_after_days": 10},
            "happy": {"stage": "sales", "milestone": True, "completes": True},
        },
        "begins_with": {"opened": "cart"},
        "transitions": [
            {"from": ["cart"], "on": "paid", "to": "paid"},
            {"from": ["paid"], "on": "praised", "to": "happy"},
        ],
        "conversion_window_days": 6,
    }
)

FUNNELS = Funnels.model_validate(
    {
        "funnels": {
            "after_a_call": {
                "semantics": "any_start",
                "window_days": 6,
                "audience": {"on": ["called"], "when": [{"name": "channel", "equals": "phone"}]},
                "steps": [{"step": "cart", "on": ["opened"]}, {"step": "order", "on": ["paid"]}],
            },
            "in_a_store": {
                "semantics": "first_touch",
                "window_days": 6,
                "steps": [
                    {"step": "cart", "on": ["opened"]},
                    {"step": "order", "on": ["paid"], "when": [{"name": "channel", "equals": "store"}]},
                ],
            },
        }
    }
).funnels

#: Customer, type, day, channel.
EVENTS = [
    ("ann", "opened", 0, "web"),
    ("ann", "paid", 2, "store"),
    ("ann", "praised", 5, "web"),
    ("bob", "opened", 1, "web"),
    ("bob", "called", 1.01, "phone"),
    ("bob", "opened", 9, "web"),
    ("bob", "paid", 14, "web"),
    ("cay", "opened", 3, "web"),
    ("dan", "opened", 15, None),  # five days: the window is still open
    ("eve", "called", 2, "phone"),
    ("fay", "opened", 21, "web"),  # has not happened yet
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The lake, and the rows of each table by name."""
    lake = Lake(tmp_path_factory.mktemp("paths"))
    rows = [
        {"customer_id": who, "event_id": f"e{place:02}", "type": kind, "channel": channel}
        | {"occurred_at": START + day * dt.timedelta(days=1)}
        for place, (who, kind, day, channel) in enumerate(EVENTS)
    ]
    codes = {name: code for code, name in enumerate(["paid", "opened", "called", "praised"])}
    for row in rows:
        row["bucket"] = ord(row["customer_id"][0]) % 2
    lake.replace(tables.SEQUENCES, sequenced(rows, codes), where={"bucket": (0, 1)}, run_id="r")
    types = pa.table({"type": list(codes), "type_code": list(codes.values())}, schema=tables.EVENT_TYPES.schema)
    lake.replace(tables.EVENT_TYPES, types, run_id="r")
    fold_journeys(lake, Engine(), [PURCHASE], as_of=AS_OF, currency="USD", support_contact_cost=1, run_id="r")
    figures = figure_tables(lake, Engine(), [PURCHASE], as_of=AS_OF)
    lake.replace(tables.STEP_FIGURES, figures[tables.STEP_FIGURES], run_id="r")
    built = build_paths(lake, Engine(), [PURCHASE], FUNNELS, as_of=AS_OF, run_id="r")
    return lake, {table.path.rpartition("/")[2]: rows.to_pylist() for table, rows in built.items()}


def test_the_funnel_is_the_beginning_and_the_milestones_under_both_semantics(found):
    _, rows = found
    told = {
        (row["semantics"], row["step"]): (row["customers"], row["dropped"], row["open"], row["mature"])
        for row in rows["funnels"]
        if row["funnel"] is None
    }
    # Bob pays within the window of his second cart, not of his first; Dan still has time.
    assert told == {
        ("first_touch", "begin"): (4, 2, 1, 3),
        ("first_touch", "paid"): (1, 0, 0, 1),
        ("first_touch", "happy"): (1, 0, 0, 1),
        ("any_start", "begin"): (4, 1, 1, 3),
        ("any_start", "paid"): (2, 1, 0, 2),
        ("any_start", "happy"): (1, 0, 0, 1),
    }
    (paid,) = [row for row in rows["funnels"] if (row["semantics"], row["step"]) == ("any_start", "paid")]
    assert (paid["journey"], paid["funnel"]) == ("purchase", None)
    assert (paid["of_entered"], paid["window_days"]) == (2 / 3, 6)
    assert paid["mean_seconds"] == pytest.approx((2 + 5) / 2 * 86_400)


def test_declared_funnels_stand_beside_those_of_maps_with_their_own_semantics_alone(found):
    _, rows = found
    told = {
        (row["funnel"], row["step"]): (row["semantics"], row["customers"], row["dropped"], row["open"])
        for row in rows["funnels"]
        if row["funnel"] is not None
    }
    # Only Bob and Eve called; what Bob did before is no entry. Ann alone paid in a store.
    assert told == {
        ("after_a_call", "cart"): ("any_start", 1, 0, 0),
        ("after_a_call", "order"): ("any_start", 1, 0, 0),
        ("in_a_store", "cart"): ("first_touch", 4, 2, 1),
        ("in_a_store", "order"): ("first_touch", 1, 0, 0),
    }
    exits = {(row["step"], row["next_type"]): row["customers"] for row in rows["funnel_exits"] if row["funnel"]}
    assert exits == {("cart", "called"): 1, ("cart", None): 1}
    assert {row["journey"] for row in rows["funnels"] if row["funnel"]} == {""}


def test_where_the_droppers_went_may_be_off_the_map(found):
    _, rows = found
    went = {
        (row["semantics"], row["step"], row["next_type"]): row["customers"]
        for row in rows["funnel_exits"]
        if not row["funnel"]
    }
    assert went == {
        ("first_touch", "begin", "called"): 1,
        ("first_touch", "begin", None): 1,
        ("any_start", "begin", None): 1,
        ("any_start", "paid", None): 1,
    }


def test_a_maps_paths_are_made_of_its_events_alone(found):
    _, rows = found
    paths = {(row["journey"], row["path"]): row["customers"] for row in rows["variants"]}
    assert paths["purchase", "opened > opened > paid"] == 1
    assert paths["", "opened > called > opened > paid"] == 1
    assert ("purchase", "called") not in paths
    assert paths["purchase", "opened"] == 2
    follows = {(row["journey"], row["from_type"], row["to_type"]): row for row in rows["directly_follows"]}
    assert follows["purchase", "opened", "paid"]["transitions"] == 2
    assert follows["purchase", "opened", "paid"]["mean_seconds"] == pytest.approx(3.5 * 86_400)
    assert follows["", "opened", None]["share"] == pytest.approx(2 / 5)


def test_equally_frequent_paths_are_ranked_by_their_names_and_one_event_takes_no_time(found):
    """The codes of the types are in another order: 'paid' was seen before 'opened'."""
    _, rows = found
    ranked = [(row["path"], row["rank"], row["mean_seconds"]) for row in rows["variants"] if row["journey"] == ""]
    assert ranked[:2] == [("opened", 1, None), ("called", 2, None)]
    assert ranked[2][:2] == ("opened > paid > praised", 3)
    assert ranked[2][2] == pytest.approx(5 * 86_400)


def test_leaving_waits_as_long_as_the_step_that_the_event_leads_to(found):
    _, rows = found
    told = {row["type"]: (row["wait_days"], row["visits"], row["left"], row["open"]) for row in rows["leaving"]}
    assert told == {"opened": (4, 5, 4, 0), "paid": (10, 2, 0, 1)}


def test_customers_without_time_are_censored_on_the_way_to_a_milestone(found):
    _, rows = found
    paid = {row["days"]: row for row in rows["time_to_milestone"] if row["step"] == "paid"}
    # Of four who began one pays on day 2; Dan is lost from sight on day 5; Bob pays 13 days after his first cart.
    assert paid[3]["share"] == pytest.approx(1 / 4)
    assert paid[14]["share"] == pytest.approx(1 - 3 / 4 * 1 / 2)
    assert paid[7]["at_risk"] == 2


def test_handoffs_are_between_channels_that_are_known(found):
    _, rows = found
    told = {(row["from_channel"], row["to_channel"]): row["transitions"] for row in rows["channel_handoffs"]}
    assert told["web", "phone"] == told["phone", "web"] == told["web", "store"] == told["store", "web"] == 1
    assert told["web", "web"] == 1
    assert sum(number for (source, _), number in told.items() if source is None) == 4


def test_sessions_and_cohorts_are_of_all_events(found):
    _, rows = found
    assert sum(row["begun"] for row in rows["sessions"]) == 9
    first = [row for row in rows["retention"] if row["cohort"] == dt.date(2026, 3, 2)]
    assert [(row["week"], row["observed"], row["active"]) for row in first] == [(0, 4, 4), (1, 4, 1)]


def test_all_totals_agree(found):
    lake, _ = found
    totals = reconcile(lake, Engine(), as_of=AS_OF)
    assert len(totals) == 39
    assert [total for total in totals if not total.agrees] == []


@pytest.mark.parametrize(
    ("table", "broken"),
    [
        (tables.VARIANTS, {"events: in transitions, and in paths", "customers: with a first event, and in paths"}),
        (tables.FUNNEL_EXITS, {"funnel, first_touch: dropped, and where they went"}),
        (
            tables.COHORT_MILESTONES,
            {
                "customers: with an instance, and in cohorts by week on the way to paid",
                "customers: who came to the step, and in cohorts by month on the way to paid",
                "instances: whose window is over, and of cohorts by month on the way to happy",
            },
        ),
        (
            tables.STEPS,
            {"customers: with an entry of the funnel, and at least those whose instance began with one"},
        ),
        (tables.INSTANCES, {"customers: with an instance, and on the curve to paid"}),
        (tables.STEP_FIGURES, {"instances: abandoned, and in step figures", "instances: at cart, and in step figures"}),
    ],
)
def test_a_total_that_does_not_agree_is_found(found, table, broken):
    lake, _ = found
    version = lake.version(table)
    rows = lake.read(table, version=version)
    if table in (tables.INSTANCES, tables.STEPS):
        names = [f"somebody {place}" for place in range(rows.num_rows)]
        extra = rows.set_column(rows.schema.get_field_index("customer_id"), "customer_id", [names])
    else:
        extra = rows.filter([row["journey"] == "purchase" for row in rows.to_pylist()])
    where = {"journey": "purchase"} if table.partition_by else None
    lake.replace(table, pa.concat_tables([rows, extra.cast(rows.schema)]), where=where, run_id="r")
    failed = {total.what for total in reconcile(lake, Engine(), as_of=AS_OF) if not total.agrees}
    lake.replace(table, rows, where=where, run_id="r")
    assert broken <= failed


def test_every_table_with_rows_has_its_picture(found):
    lake, _ = found
    for table in tables.PATHS:
        _, _, data = path_picture(table, lake.read(table)).partition("data:image/svg+xml;base64,")
        drawn = ET.fromstring(base64.b64decode(data.removesuffix(")")))
        # A chart that cannot be drawn comes out as an empty picture.
        kinds = {element.get("aria-roledescription", "") for element in drawn.iter()}
        assert kinds & {"bar", "circle", "line mark", "point", "rect mark"}, table.path


def test_a_company_without_events_or_maps_has_empty_tables(tmp_path):
    lake = Lake(tmp_path)
    built = build_paths(lake, Engine(), [], FUNNELS, as_of=AS_OF, run_id="r")
    assert {rows.num_rows for rows in built.values()} == {0}
    assert [path_picture(table, rows) for table, rows in built.items()] == [None] * len(tables.PATHS)
    assert reconcile(lake, Engine(), as_of=AS_OF) == []
