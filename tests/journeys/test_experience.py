"""Answers of customers: which step they belong to, what counts of them, and the measures with their intervals."""

import datetime as dt
import json

import pytest
from sequenced import sequenced, write_sequences

from cx_orchestration.journeys.experience.counting import count_answers, scales_table
from cx_orchestration.journeys.experience.measures import effort, experience, net_promoter_score, satisfaction
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.paths.pictures import path_picture
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.settings import Experience
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
AS_OF = START + dt.timedelta(days=60)
ASKED = Experience(window_days=10)

ORDER = JourneyMap.model_validate(
    {
        "journey": "order",
        "stages": ["sales", "care"],
        "correlation": "order_id",
        "steps": {
            "cart": {"stage": "sales", "abandoned_after_days": 5},
            "paid": {"stage": "sales", "layer": "relationship"},
            "praised": {"stage": "care", "layer": "relationship", "completes": True},
        },
        "begins_with": {"opened": "cart"},
        "transitions": [
            {"from": ["cart"], "on": "paid", "to": "paid"},
            {"from": ["paid"], "on": "answered", "to": "praised", "when": [{"name": "score", "at_least": 9}]},
        ],
    }
)


def event(who, kind, day, *, order=None, score=None, measure="nps"):
    row = {"customer_id": who, "type": kind, "occurred_at": START + dt.timedelta(days=day)}
    row |= {"score": score, "score_kind": measure if score is not None else None}
    return row | {"attributes": json.dumps({"order_id": order} if order else {})}


def counted(tmp_path, *events, asked=ASKED):
    """The counts of a company with these events, by level, step and kind of score."""
    lake = Lake(tmp_path)
    write_sequences(lake, sequenced(row | {"event_id": f"e{place:02}"} for place, row in enumerate(events)))
    fold_journeys(lake, Engine(), [ORDER], as_of=AS_OF, currency="USD", support_contact_cost=1, run_id="r")
    return count_answers(lake, Engine(), [ORDER], asked)


def places(counts):
    return {
        (row["level"], row["layer"] if row["level"] == "layer" else row["step"]): (row["n"], row["answers"])
        for row in counts.to_pylist()
    }


def test_an_answer_belongs_to_the_step_that_the_customer_stood_at_also_when_it_moves_them(tmp_path):
    counts = counted(
        tmp_path,
        event("ann", "opened", 0, order="1"),
        event("ann", "paid", 1, order="1"),
        event("ann", "answered", 2, order="1", score=10),
    )
    assert places(counts) == {
        ("step", "paid"): (1, 1),
        ("layer", "relationship"): (1, 1),
        ("journey", None): (1, 1),
    }


@pytest.mark.parametrize(("day", "level"), [(4.9, "step"), (15, "step"), (15.1, "elsewhere"), (-1, "elsewhere")])
def test_who_has_left_answers_about_the_last_step_within_the_window(tmp_path, day, level):
    """The cart of day 0 is given up on day 5; the window is ten days."""
    counts = counted(tmp_path, event("ann", "opened", 0, order="1"), event("ann", "answered", day, score=3))
    assert (level, "cart" if level == "step" else None) in places(counts)
    assert sum(row["n"] for row in counts.to_pylist() if row["level"] in ("step", "elsewhere")) == 1


def test_an_answer_that_names_its_order_is_about_that_order(tmp_path):
    first, second = event("ann", "opened", 0, order="1"), event("ann", "opened", 2, order="2")
    paid = event("ann", "paid", 1, order="1")
    named = counted(tmp_path / "named", first, paid, second, event("ann", "answered", 3, order="1", score=5))
    unnamed = counted(tmp_path / "unnamed", first, paid, second, event("ann", "answered", 3, score=5))
    assert ("step", "paid") in places(named)
    assert ("step", "cart") in places(unnamed)


def test_a_customer_counts_once_with_the_last_answer_and_what_is_off_the_scale_counts_for_nothing(tmp_path):
    counts = counted(
        tmp_path,
        event("ann", "opened", 0, order="1"),
        event("ann", "answered", 1, score=10),
        event("ann", "answered", 2, score=2),
        event("ann", "answered", 3, score=55),
    ).to_pylist()
    (row,) = [row for row in counts if row["level"] == "step"]
    assert (row["n"], row["answers"], row["off_scale"]) == (1, 2, 1)
    assert (row["good"], row["bad"], row["total"]) == (0, 1, 2)


def test_the_interval_of_the_recommendation_is_rocks_adjusted_wald():
    """10 promoters, 3 detractors of 20: p = 10.75/23, d = 3.75/23, z = 1.96."""
    measured = net_promoter_score(10, 3, 20)
    p, d = 10.75 / 23, 3.75 / 23
    margin = 1.959964 * ((p + d - (p - d) ** 2) / 23) ** 0.5
    assert measured.value == pytest.approx(35)
    assert (measured.low, measured.high) == pytest.approx((100 * (p - d - margin), 100 * (p - d + margin)), abs=1e-4)


def test_unanimous_answers_have_an_interval_with_a_width():
    all_promoters, all_satisfied = net_promoter_score(30, 0, 30), satisfaction(30, 30)
    assert all_promoters.low < 90 and all_promoters.high == 100
    assert all_satisfied.low == pytest.approx(30 / (30 + 1.959964**2), abs=1e-6)
    assert all_satisfied.high == 1


def test_the_interval_of_effort_is_students_within_the_scale():
    """Answers 5, 6, 7: mean 6, standard deviation 1, t(2) = 4.3027."""
    wide = effort(18, 25 + 36 + 49, 3, lowest=-100, highest=100)
    assert (wide.value, wide.low, wide.high) == pytest.approx(
        (6, 6 - 4.3026527 / 3**0.5, 6 + 4.3026527 / 3**0.5), abs=1e-6
    )
    assert effort(18, 25 + 36 + 49, 3, lowest=1, highest=7).high == 7


def test_a_step_with_too_few_customers_has_no_value_and_says_so(tmp_path):
    opened = [event(f"c{number}", "opened", 0, order="1") for number in range(6)]
    answers = [event(f"c{number}", "answered", 1, score=9 + number % 2) for number in range(6)]
    counts = counted(tmp_path, *opened, *answers, event("c0", "answered", 2, score=4, measure="csat"))
    rows = experience(counts, scales_table(ASKED), least=5)
    told = {(row["level"], row["measure"]): row for row in rows.to_pylist()}
    assert rows.schema == tables.EXPERIENCE.schema
    assert (told["step", "nps"]["value"], told["step", "nps"]["promoters"]) == (100, 1)
    assert told["step", "nps"]["note"] is None
    csat = told["step", "csat"]
    assert (csat["value"], csat["value_low"], csat["note"]) == (None, None, "1 of at least 5 customers")
    assert path_picture(tables.EXPERIENCE, rows).startswith("![experience](data:image/svg+xml;base64,")
    assert path_picture(tables.EXPERIENCE, experience(counts, scales_table(ASKED), least=50)) is None


def test_another_scale_is_the_companys_to_declare(tmp_path):
    seven = Experience.model_validate({"csat": {"lowest": 1, "highest": 7, "satisfied_from": 6}})
    counts = counted(
        tmp_path,
        event("ann", "opened", 0, order="1"),
        event("ann", "answered", 1, score=6, measure="csat"),
        asked=seven,
    ).to_pylist()
    assert {(row["n"], row["good"], row["off_scale"]) for row in counts} == {(1, 1, 0)}
    with pytest.raises(ValueError, match="satisfied_from"):
        Experience.model_validate({"csat": {"lowest": 1, "highest": 5, "satisfied_from": 6}})
