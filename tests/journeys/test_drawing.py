"""A map drawn: the figures are those of the tables, everything has its place, and texts cannot break out."""

import datetime as dt
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations

import pyarrow as pa
import pytest

from cx_orchestration.definitions import DEMO_PROJECT
from cx_orchestration.journeys.drawing.figures import AtStep, Deviation, Feeling, Figures, OnMove, read_figures
from cx_orchestration.journeys.drawing.layout import BOX_HEIGHT, BOX_WIDTH, lay_out
from cx_orchestration.journeys.drawing.page import drawing_markdown, drawing_page, drawing_svg
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.settings import Experience
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
END = START + dt.timedelta(hours=24.5)
HOSTILE = '<script>alert(1)</script> & "co"'

SHOP = JourneyMap.model_validate(
    {
        "journey": "shop",
        "title": HOSTILE,
        "goal": HOSTILE,
        "stages": ["sales", "care"],
        "steps": {
            "cart": {"stage": "sales", "title": HOSTILE, "owner": HOSTILE, "abandoned_after_days": 1},
            "paid": {"stage": "sales", "milestone": True},
            "done": {"stage": "care", "completes": True, "moment_of_truth": True},
        },
        "begins_with": {"cart.filled": "cart"},
        "transitions": [
            {"from": ["cart"], "on": "cart.filled", "to": "cart"},
            {"from": ["cart"], "on": "order.paid", "to": "paid"},
            {"from": ["paid"], "on": "cart.filled", "to": "cart"},
            {"from": ["paid", "cart"], "on": "order.received", "to": "done"},
        ],
    }
)


def step(instance: str, seq: int, source: str | None, target: str, hours: float, *, deviation: bool = False):
    row = dict.fromkeys(tables.STEPS.schema.names) | {"journey": "shop", "map_version": 1, "instance_id": instance}
    row |= {"customer_id": f"c-{instance}", "seq": seq, "event_id": f"{instance}{seq}", "type": "t.t"}
    row |= {"from_state": source, "to_state": target, "stage": "sales", "deviation": deviation}
    return row | {"occurred_at": START + dt.timedelta(hours=hours)}


def instance(name: str, state: str, status: str, *, deviations: int = 0, ended: float | None = None):
    row = dict.fromkeys(tables.INSTANCES.schema.names) | {"journey": "shop", "map_version": 1, "instance_id": name}
    row |= {"customer_id": f"c-{name}", "state": state, "stage": "sales", "status": status, "deviations": deviations}
    return row | {"started_at": START, "ended_at": None if ended is None else START + dt.timedelta(hours=ended)}


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    steps = [
        step("a", 1, None, "cart", 0),
        step("a", 2, "cart", "cart", 1),
        step("a", 3, "cart", "paid", 3),
        step("a", 4, "paid", "paid", 4, deviation=True),
        step("a", 5, "paid", "done", 13),
        step("b", 1, None, "cart", 0),
        step("b", 2, "cart", "paid", 4),
        step("c", 1, None, "cart", 0),
    ]
    instances = [
        instance("a", "done", "completed", deviations=1, ended=13),
        instance("b", "paid", "active"),
        instance("c", "cart", "abandoned", ended=24),
    ]
    scored = [("c-a", 2, "nps", 10), ("c-a", 3.5, "csat", 1), ("c-a", 14, "nps", 5), ("c-c", 30, "nps", 0)]
    scores = [
        dict.fromkeys(tables.SEQUENCES.schema.names)
        | {"bucket": 0, "customer_id": customer, "event_id": f"s{n}", "type": "feedback.given", "score": score}
        | {"score_kind": kind, "occurred_at": START + dt.timedelta(hours=hours)}
        for n, (customer, hours, kind, score) in enumerate(scored)
    ]
    for table, rows in ((tables.STEPS, steps), (tables.INSTANCES, instances), (tables.SEQUENCES, scores)):
        where = {column: (0, 9999) for column in table.partition_by if column in ("bucket", "week")}
        where |= {"journey": "shop"} if "journey" in table.partition_by else {}
        rows = [row | {name: 0 for name in where if name in ("bucket", "week")} for row in rows]
        lake.replace(table, pa.Table.from_pylist(rows, schema=table.schema), where=where, run_id="r")
    return lake


def test_the_figures_are_those_of_the_tables(lake):
    """The wait of 'a' at the cart is not over: whether it went on is not counted, though it is known."""
    shop = read_figures(lake, Engine(), [SHOP], Experience(), as_of=END)["shop"]
    assert shop.steps == {
        "cart": AtStep(instances=3, active=0, completed=0, abandoned=1, judged=2, again=1),
        "paid": AtStep(instances=2, active=1, completed=0, abandoned=0, judged=None, again=0),
        "done": AtStep(instances=1, active=0, completed=1, abandoned=0, judged=None, again=0),
    }
    assert shop.moves[None, "cart"] == OnMove(3, None)
    assert shop.moves["cart", "paid"] == OnMove(2, dt.timedelta(hours=2))
    assert shop.moves["paid", "done"] == OnMove(1, dt.timedelta(hours=10))
    assert (shop.conformance.instances, shop.conformance.conforming) == (3, 2)
    assert shop.conformance.deviations == (Deviation("paid", "t.t", 1, 1),)


def test_a_score_belongs_to_the_step_where_the_customer_stood(lake):
    """The one given an hour after the end is within the declared window; six hours after giving up is not."""
    feelings = read_figures(lake, Engine(), [SHOP], Experience(window_days=1 / 24), as_of=END)["shop"].feelings
    assert feelings == {"cart": Feeling(1, 1.0), "paid": Feeling(1, 0.0), "done": Feeling(1, 0.5)}


def test_boxes_do_not_overlap_and_stay_in_their_lane():
    journey_map = CXProject.load(DEMO_PROJECT).maps[0]
    layout = lay_out(journey_map, Figures())
    for one, other in combinations(layout.boxes, 2):
        assert abs(one.x - other.x) >= BOX_WIDTH or abs(one.y - other.y) >= BOX_HEIGHT
    for box in layout.boxes:
        lane = layout.lanes[box.lane]
        assert lane.stage == journey_map.steps[box.step].stage
        assert lane.x <= box.x and box.x + BOX_WIDTH <= lane.x + lane.width


def test_labels_do_not_lie_on_each_other():
    """Those of 'cart' to 'payment' and of 'address' to 'ordered' would both stand beside 'address'."""
    steps = {"cart": "sales", "address": "sales", "payment": "sales", "ordered": "care"}
    moves = [("cart", "payment"), ("address", "ordered"), ("cart", "ordered")]
    journey_map = JourneyMap.model_validate(
        {
            "journey": "visit",
            "stages": ["sales", "care"],
            "steps": {name: {"stage": stage} for name, stage in steps.items()},
            "begins_with": {f"{name}.seen": name for name in steps},
            "transitions": [{"from": [source], "on": f"{to}.seen", "to": to} for source, to in moves],
        }
    )
    made = {(None, "cart"): OnMove(20, None)} | {move: OnMove(9, None) for move in moves}
    labels = [one for one in lay_out(journey_map, Figures(moves=made)).arrows if one.labelled]
    assert len(labels) == 3
    for one, other in combinations(labels, 2):
        assert abs(one.label_x - other.label_x) >= 80 or abs(one.label_y - other.label_y) >= 14


def test_the_drawing_is_xml_with_every_count_and_no_foreign_markup(lake):
    figures = read_figures(lake, Engine(), [SHOP], Experience(), as_of=END)["shop"]
    drawn = drawing_svg(SHOP, figures)
    root = ET.fromstring(drawn)
    texts = [text for element in root.iter() if (text := "".join(element.itertext()).strip())]
    assert any("1 gave up (50%)" in text for text in texts)
    assert any("1 of 2 whose time is over gave up" in text for text in texts)
    assert any("2 · 2 h" in text for text in texts)
    assert root.find(".//{*}script") is None
    assert drawn == drawing_svg(SHOP, figures)
    assert "<script>alert" not in drawing_page(SHOP, figures, as_of=START)


def test_head_and_foot_tell_of_the_same_instances(lake):
    """Of three instances one is said to have been resumed: it did not begin."""
    figures = read_figures(lake, Engine(), [SHOP], Experience(), as_of=END)["shop"]
    resumed = replace(figures, moves={**figures.moves, (None, "cart"): OnMove(2, None)})
    page = drawing_page(SHOP, resumed, as_of=END)
    assert "<dd>3, 1 of them resumed after giving up</dd>" in page
    assert "67% of the 3 instances, resumed ones included," in page
    assert "<dd>3</dd>" in drawing_page(SHOP, figures, as_of=END)


def test_every_beginning_has_its_dot_and_titles_stand_on_two_lines():
    steps = {"card": "Has a card", "bought": "Bought, waits for the delivery", "much": "word " * 20}
    journey_map = JourneyMap.model_validate(
        {
            "journey": "visit",
            "stages": ["sales"],
            "steps": {name: {"stage": "sales", "title": title} for name, title in steps.items()},
            "begins_with": {"card.issued": "card", "order.placed": "bought", "order.sent": "bought"},
            "transitions": [{"from": ["card"], "on": "order.lost", "to": "much"}],
        }
    )
    figures = Figures(moves={(None, "card"): OnMove(20, None), (None, "bought"): OnMove(1_234, None)})
    assert [(start.step, start.begun) for start in lay_out(journey_map, figures).starts] == [
        ("card", 20),
        ("bought", 1234),
    ]
    root = ET.fromstring(drawing_svg(journey_map, figures))
    texts = [element.text for element in root.iterfind(".//{*}text")]
    assert {"20 began", "1,234 began"} <= set(texts)
    names = [element.text for element in root.iterfind(".//{*}text") if element.get("class") == "name"]
    assert names == ["Has a card", "Bought, waits for the", "delivery", "word word word word", "word word word word…"]


def test_a_label_has_a_background_as_wide_as_its_text(lake):
    figures = read_figures(lake, Engine(), [SHOP], Experience(), as_of=END)["shop"]
    root = ET.fromstring(drawing_svg(SHOP, figures))
    labels = [
        group
        for group in root.iterfind(".//{*}g")
        if (text := group.find("{*}text")) is not None and text.get("class") == "label" and group.get("data-source")
    ]
    assert labels
    for group in labels:
        behind, text = group.find("{*}rect"), group.find("{*}text")
        assert float(behind.get("width")) >= 5.9 * len(text.text)
        assert float(behind.get("x")) + float(behind.get("width")) / 2 == pytest.approx(float(text.get("x")), abs=0.2)


def test_a_map_without_customers_is_drawn_and_says_so():
    page = drawing_page(SHOP, Figures(), as_of=START)
    assert page.count("nobody yet") == len(SHOP.steps)
    assert "never made" in page
    assert drawing_markdown(SHOP, Figures()).startswith("![shop](data:image/svg+xml;base64,")
