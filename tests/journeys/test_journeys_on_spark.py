"""Journeys on Spark: sequences, the fold, paths and drawings are the tables that DuckDB gives, row for row."""

import datetime as dt
import random
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from cx_orchestration.exploration.kpis import Feed, Landed, kpis
from cx_orchestration.journeys.drawing.figures import figure_tables, read_figures
from cx_orchestration.journeys.experience.counting import count_answers, scales_table
from cx_orchestration.journeys.experience.measures import experience
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.nights import update_sequences
from cx_orchestration.journeys.paths.build import build_paths, reconcile
from cx_orchestration.journeys.sequences import build_sequences
from cx_orchestration.model import tables
from cx_orchestration.model.funnel import Funnels
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.settings import Experience
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

pytestmark = pytest.mark.spark

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
AS_OF = START + dt.timedelta(days=40)
MAP = JourneyMap.model_validate(
    {
        "journey": "order",
        "correlation": "order_id",
        "stages": ["sales", "care"],
        "steps": {
            "cart": {"stage": "sales", "abandoned_after_days": 2},
            "paid": {"stage": "sales", "milestone": True},
            "asking": {"stage": "care"},
            "done": {"stage": "care", "completes": True, "milestone": True},
        },
        "begins_with": {"cart.filled": "cart"},
        "transitions": [
            {"from": ["cart"], "on": "order.paid", "to": "paid", "when": [{"name": "amount", "at_least": 10}]},
            {"from": ["cart", "paid"], "on": "support.requested", "to": "asking"},
            {"from": ["asking"], "on": "support.solved", "to": "cart", "back": True},
            {"from": ["paid", "asking"], "on": "order.received", "to": "done"},
        ],
        "support_events": ["support.requested"],
    }
)

FUNNELS = Funnels.model_validate(
    {
        "funnels": {
            "large_order": {
                "semantics": "any_start",
                "window_days": 5,
                "audience": {"on": ["page.viewed"]},
                "steps": [
                    {"step": "cart", "on": ["cart.filled"]},
                    {"step": "paid", "on": ["order.paid"], "when": [{"name": "order_id", "equals": 2}]},
                ],
            }
        }
    }
).funnels


def landed(lake: Lake, customers: int) -> None:
    rng = random.Random(4)
    kinds = [*MAP.event_types, "page.viewed", "feedback.given"]
    events = []
    for customer in range(customers):
        for number in range(rng.randint(1, 25)):
            at = START + dt.timedelta(seconds=rng.randrange(40 * 86_400))
            kind = rng.choice(kinds)
            row = dict.fromkeys(tables.EVENTS.schema.names)
            row |= {"event_id": f"{customer:03d}-{number:02d}", "type": kind, "occurred_at": at, "day": at.date()}
            row |= {"service": "shop", "stream": "s", "record_id": f"{customer}-{number}", "entity": f"e{customer}"}
            row |= {
                "channel": rng.choice(["web", "phone", None]),
                "amount": rng.choice([None, 5, 20]),
                "currency": "USD",
            }
            row |= {"attributes": f'{{"order_id":"{rng.randint(1, 2)}"}}' if rng.random() < 0.8 else "{}"}
            if kind == "feedback.given":
                row |= {"score": rng.randint(0, 10), "score_kind": "nps"}
            events.append(row)
    rows = pa.Table.from_pylist(events, schema=tables.EVENTS.schema)
    days = (START.date(), AS_OF.date())
    lake.replace(tables.EVENTS, rows, where={"service": "shop", "day": days}, run_id="r")
    known = [
        dict.fromkeys(tables.IDENTITY_MAP.schema.names)
        | {"service": "shop", "entity": f"e{customer}", "customer_id": f"c{customer // 2}", "since": START}
        for customer in range(customers)
    ]
    lake.replace(tables.IDENTITY_MAP, pa.Table.from_pylist(known, schema=tables.IDENTITY_MAP.schema), run_id="r")


@pytest.fixture(scope="module")
def lakes(tmp_path_factory, spark):
    """One lake made by DuckDB, one by Spark, each in two nights."""
    made = []
    for name, engine in (("duckdb", Engine()), ("spark", spark)):
        lake = Lake(tmp_path_factory.mktemp(name))
        landed(lake, customers=100)
        build_sequences(lake, engine, buckets=3, run_id="r")
        fold_journeys(lake, engine, [MAP], as_of=AS_OF, currency="USD", support_contact_cost=8, run_id="r")
        landed(lake, customers=120)
        update_sequences(lake, engine, run_id="r")
        fold_journeys(lake, engine, [MAP], as_of=AS_OF, currency="USD", support_contact_cost=8, run_id="r")
        build_paths(lake, engine, [MAP], FUNNELS, as_of=AS_OF, run_id="r")
        for table, rows in figure_tables(lake, engine, [MAP], as_of=AS_OF).items():
            lake.replace(table, rows, run_id="r")
        made.append(lake)
    return made


PATHS = ("directly_follows", "variants", "funnels", "funnel_exits", "sessions", "leaving", "retention")


@pytest.mark.parametrize(
    "path",
    [
        "sequences",
        "event_types",
        "steps",
        "instances",
        *PATHS,
        "time_to_milestone",
        "cohort_milestones",
        "channel_handoffs",
    ],
)
def test_a_table_has_the_same_rows(lakes, path):
    table = tables.table_at(f"journeys/{path}")
    on_duckdb, on_spark = (lake.content_hash(table) for lake in lakes)
    assert lakes[0].rows(table) > 0
    assert on_spark == on_duckdb


def test_totals_agree_and_the_drawing_has_the_same_figures(lakes, spark):
    duckdb_lake, spark_lake = lakes
    assert all(total.agrees for total in reconcile(spark_lake, spark, as_of=AS_OF))
    on_spark = read_figures(spark_lake, spark, [MAP], Experience(), as_of=AS_OF)
    assert on_spark == read_figures(duckdb_lake, Engine(), [MAP], Experience(), as_of=AS_OF)
    assert on_spark["order"].feelings


def test_what_bi_tools_read_of_journeys_is_the_same(lakes, spark):
    """Figures of steps and moves, measures of experience, and KPIs."""
    feeds = [Feed(kpi, None, {"shop": False}) for kpi in ("contacts", "revenue", "answers")]
    feeds += [Feed(kpi, "order", {"shop": False}) for kpi in ("started", "completed", "abandoned")]
    days = [START.date() + dt.timedelta(days=number) for number in range(40)]

    def told(lake, engine):
        counts = count_answers(lake, engine, [MAP], Experience())
        landed = Landed({"shop": days}, folded=True)
        of_kpis = kpis(lake, engine, feeds, MAP.support_events, landed, zone=ZoneInfo("UTC"), currency="USD")
        return [
            *figure_tables(lake, engine, [MAP], as_of=AS_OF).values(),
            experience(counts, scales_table(Experience()), least=5),
            of_kpis,
        ]

    on_duckdb, on_spark = told(lakes[0], Engine()), told(lakes[1], spark)
    assert [rows.to_pylist() for rows in on_spark] == [rows.to_pylist() for rows in on_duckdb]
    assert all(rows.num_rows for rows in on_duckdb)
    assert {row["kpi"] for row in on_duckdb[-1].to_pylist() if row["value"]} == {feed.kpi for feed in feeds}
