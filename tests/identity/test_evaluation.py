"""Customers held against labels, on cases small enough to count by hand."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.identity.evaluation import score_clusters, score_pairs, threshold_curve, wilson
from cx_orchestration.identity.labels import Labels, evaluate, read_labels
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure

# Person 0 has three entities, person 1 two, person 2 one: four pairs of one person.
WHO = pd.DataFrame(
    [
        ("crm", "a", "0"),
        ("crm", "b", "1"),
        ("desk", "a", "0"),
        ("desk", "b", "1"),
        ("shop", "a", "0"),
        ("shop", "c", "2"),
    ],
    columns=["service", "entity", "person"],
)


def resolved(customers: str) -> pd.DataFrame:
    return WHO[["service", "entity"]].assign(customer_id=list(customers))


def judged(customers: str):
    return evaluate(resolved(customers), Labels(who=WHO))


def values(scores) -> tuple[float, float, float]:
    return scores.precision.value, scores.recall.value, scores.f1.value


def test_the_right_map_is_perfect() -> None:
    result = judged("xyxyxz")
    assert [values(each) for each in vars(result.whole).values()] == [(1, 1, 1)] * 3
    assert (result.labelled, result.customers, result.people, result.absent, result.unlabelled) == (6, 3, 3, 0, 0)


def test_a_split_person_costs_recall_of_pairs_and_both_of_whole_customers() -> None:
    result = judged("xyxywz")
    assert values(result.pairs) == (1, 0.5, pytest.approx(2 / 3))
    # Customers x, y, w, z: y and z are whole persons; persons 0, 1, 2: 1 and 2 are whole customers.
    assert values(result.whole.clusters) == (0.5, pytest.approx(2 / 3), pytest.approx(4 / 7))
    # Of person 0 two records see 2 of 3, one sees 1 of 3; the other three see all.
    assert values(result.whole.b_cubed)[:2] == (1, pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 3) / 6))


def test_two_people_in_one_customer_cost_precision() -> None:
    result = judged("xxxxxz")
    assert values(result.pairs)[:2] == (0.4, 1)
    assert values(result.whole.clusters)[:2] == (0.5, pytest.approx(1 / 3))
    assert values(result.whole.b_cubed)[:2] == (pytest.approx((3 * 3 / 5 + 2 * 2 / 5 + 1) / 6), 1)


def test_absent_entities_cost_recall_and_those_without_a_label_are_counted() -> None:
    stranger = pd.DataFrame([("fax", "1", "x")], columns=["service", "entity", "customer_id"])
    partial = pd.concat([resolved("xyxyxz").iloc[:4], stranger])
    result = evaluate(pa.Table.from_pandas(partial, preserve_index=False), Labels(who=WHO))
    assert values(result.pairs)[:2] == (1, 0.5)
    assert (result.absent, result.unlabelled) == (2, 1)


def test_what_the_map_lacks_is_missed_by_all_three_measures() -> None:
    # Of person 0 (three entities) the map has one, of person 1 (two) both, person 2 (one) it lacks.
    partial = resolved("xyxywz").drop(index=[2, 4, 5])
    result = evaluate(partial, Labels(who=WHO))
    # One pair of the four of one person is together. Customers x and y: y is a whole person, of three persons.
    assert values(result.pairs) == (1, 0.25, 0.4)
    assert values(result.whole.clusters) == (0.5, pytest.approx(1 / 3), 0.4)
    # The three records that are there see nobody else's; of its person x has a third, the two of y all, three nothing.
    assert values(result.whole.b_cubed)[:2] == (1, pytest.approx((1 / 3 + 1 + 1) / 6))


def test_ten_people_of_one_record_of_whom_the_map_has_one_are_a_recall_of_a_tenth() -> None:
    people = pd.DataFrame({"service": "crm", "entity": list("abcdefghij"), "person": list("0123456789")})
    known = people[["service", "entity"]].iloc[:1].assign(customer_id="x")
    result = evaluate(known, Labels(who=people))
    assert (result.labelled, result.absent, result.customers, result.people) == (10, 9, 1, 10)
    assert values(result.whole.clusters) == (1, 0.1, pytest.approx(2 / 11))
    assert values(result.whole.b_cubed) == (1, 0.1, pytest.approx(2 / 11))
    # Nobody has two records, so there is no pair to judge.
    assert (result.pairs.recall.low, result.pairs.recall.high) == (0, 1)


def test_an_empty_map_has_nothing_wrong_and_nothing_right() -> None:
    result = evaluate(tables.IDENTITY_MAP.empty(), Labels(who=WHO))
    assert [values(each) for each in vars(result.whole).values()] == [(1, 0, 0)] * 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_the_sums_by_person_are_what_counting_all_pairs_and_records_gives(records) -> None:
    found, truth = (np.array(each) for each in zip(*records, strict=True))
    scores = score_clusters(found, truth)
    first, second = np.triu_indices(len(found), 1)
    assert values(scores.pairs)[:2] == pytest.approx(
        values(score_pairs(found[first] == found[second], truth[first] == truth[second]))[:2]
    )
    mine, other = (each[:, None] == each[None, :] for each in (found, truth))
    both = (mine & other).sum(axis=1)
    expected = (both / mine.sum(axis=1)).mean(), (both / other.sum(axis=1)).mean()
    assert values(scores.b_cubed)[:2] == pytest.approx(expected)
    for each in (scores.pairs, scores.clusters, scores.b_cubed):
        for measure in vars(each).values():
            assert 0 <= measure.low <= measure.value + 1e-9 <= measure.high + 2e-9 <= 1 + 3e-9


def test_intervals_hold_the_true_value_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    held = 0
    for _ in range(60):
        truth = np.repeat(np.arange(200), 2)
        # One person in five has its second record in a customer of its own: pair recall is 0.8.
        found = np.where((np.arange(400) % 2 == 1) & np.repeat(random.random(200) < 0.2, 2), 1_000 + truth, truth)
        recall = score_clusters(found, truth).pairs.recall
        held += recall.low <= 0.8 <= recall.high
    assert 52 <= held <= 60


def test_a_sample_without_an_error_does_not_claim_certainty() -> None:
    scores = score_clusters(np.repeat(np.arange(50), 2), np.repeat(np.arange(50), 2))
    assert scores.pairs.precision.value == 1
    assert scores.pairs.precision.low == pytest.approx(wilson(50, 50).low) == pytest.approx(0.9287, abs=1e-4)


def test_the_same_labels_give_the_same_intervals() -> None:
    assert judged("xyxywz") == judged("xyxywz")


def test_wilson_agrees_with_the_published_example() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 gives 0.2553 to 0.3662.
    assert (wilson(81, 263).low, wilson(81, 263).high) == (pytest.approx(0.2553, 3e-4), pytest.approx(0.3662, 3e-4))
    assert (wilson(0, 20).low, wilson(0, 20).high) == (0, pytest.approx(0.1611, abs=1e-4))


def test_the_curve_counts_the_pairs_that_reach_each_threshold() -> None:
    curve = threshold_curve([-2.5, 0.5, 3.0, 6.0], [False, True, False, True], true_pairs=4)
    assert curve["threshold"].tolist() == [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6]
    at = curve.set_index("threshold")
    assert at.loc[-3, ["pairs", "right", "recall"]].tolist() == [4, 2, 0.5]
    assert at.loc[3, ["pairs", "right", "precision"]].tolist() == [2, 1, 0.5]
    assert at.loc[6, ["pairs", "right", "precision", "recall"]].tolist() == [1, 1, 1, 0.25]


# --- label files ----------------------------------------------------------------------------------------------------


def written(tmp_path, text: str, name: str = "labels.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_read_from_csv_and_parquet_are_the_same_and_keep_leading_zeros(tmp_path) -> None:
    csv = written(tmp_path, "\ufeffentity,service,person,note\n007, crm,1,x\n8,desk,1,\n")
    frame = pd.DataFrame({"service": ["crm", "desk"], "entity": ["007", "8"], "person": [1, 1]})
    frame.to_parquet(tmp_path / "labels.parquet")
    assert read_labels(csv).who.to_dict("list") == read_labels(tmp_path / "labels.parquet").who.to_dict("list")
    assert read_labels(csv).who["entity"].tolist() == ["007", "8"]


def test_labelled_pairs_are_judged_whichever_end_is_left(tmp_path) -> None:
    lines = ["desk,a,crm,a,true", "crm,b,desk,b,yes", "shop,c,crm,a,no", "shop,a,crm,b,0", "fax,1,crm,a,1"]
    path = written(tmp_path, "\n".join(["left_service,left_entity,right_service,right_entity,same", *lines]))
    scored = pd.DataFrame(
        [("crm", "a", "desk", "a", 9.0), ("crm", "a", "shop", "c", 2.0)],
        columns=["left_service", "left_entity", "right_service", "right_entity", "match_weight"],
    )
    result = evaluate(resolved("xyxzxx"), read_labels(path), scored)
    assert values(result.pairs)[:2] == (0.5, pytest.approx(1 / 3))
    assert (result.labelled, result.absent, result.whole) == (5, 1, None)
    assert result.curve.set_index("threshold").loc[3, ["pairs", "right"]].tolist() == [1, 1]


PAIRS = "left_service,left_entity,right_service,right_entity,same\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("service,entity\ncrm,1\n", "expected the columns service, entity, person, or left_service.*found service"),
        ("service,entity,person\n", "there are no labels below the header"),
        ("", "no CSV in UTF-8 and no Parquet"),
        ("service,entity,person\ncrm,1,7\ncrm,,7\n", r"1 rows have an empty cell \(row 2\)"),
        ("service,entity,person\ncrm,1,7\ncrm,1,8\n", r"label an entity as another person .*\(row 2\)"),
        (PAIRS + "crm,1,desk,2,perhaps\n", r"neither true nor false under 'same' \(row 1\)"),
        (PAIRS + "crm,1,crm,1,true\n", r"pair an entity with itself \(row 1\)"),
        (PAIRS + "crm,1,desk,2,true\ndesk,2,crm,1,false\n", r"contradict a row before \(row 2\)"),
    ],
)
def test_a_bad_label_file_is_refused_with_the_row_and_the_way_out(tmp_path, text, message) -> None:
    with pytest.raises(PermanentFailure, match=message):
        read_labels(written(tmp_path, text))


def test_a_file_that_is_not_there_or_no_parquet_says_so(tmp_path) -> None:
    with pytest.raises(PermanentFailure, match="there is no such file"):
        read_labels(tmp_path / "absent.csv")
    with pytest.raises(PermanentFailure, match="no CSV in UTF-8 and no Parquet"):
        read_labels(written(tmp_path, "service,entity", "labels.parquet"))


def evaluated(company, path, *more: str):
    project = ["--project", str(path.parent), "--lake", str(company.lake.root)]
    return CliRunner().invoke(app, ["identity", "evaluate", "--labels", str(path), *project, *more])


def test_the_command_prints_measures_with_intervals_and_writes_json(company, tmp_path) -> None:
    company.night({"crm/1": {"login": "u"}, "desk/2": {"login": "u"}, "shop/3": {}, "shop/4": {}})
    labels = written(tmp_path, "service,entity,person\ncrm,1,p\ndesk,2,p\nshop,3,p\nfax,9,q\n")
    result = evaluated(company, labels)
    assert result.exit_code == 0, result.output
    assert "4 labelled entities in 2 customers of 2 people" in result.output
    assert "1 of them is not in the identity map: in no customer, which is a miss" in result.output
    assert "pairs of records" in result.output
    told = json.loads(evaluated(company, labels, "--json").output)
    assert (told["pairs"]["precision"]["value"], told["pairs"]["recall"]["value"]) == (1.0, pytest.approx(1 / 3))
    assert told["b_cubed"]["recall"]["low"] < told["b_cubed"]["recall"]["value"]


def test_where_there_is_nothing_to_judge_no_share_is_shown(company, tmp_path) -> None:
    company.night({"crm/1": {}, "desk/2": {}})
    shown = evaluated(company, written(tmp_path, "service,entity,person\ncrm,1,p\nfax,9,q\n")).output
    assert "2 labelled entities in 1 customer of 2 people" in shown
    pairs, whole = (next(line for line in shown.splitlines() if name in line) for name in ("pairs of", "whole cust"))
    assert pairs.count("nothing to judge") == 3
    assert "0.5000 (" in whole and "nothing" not in whole


def test_labels_of_nobody_known_name_the_service_that_was_meant(company, tmp_path) -> None:
    company.night({"billing/1": {}, "desk/2": {}})
    result = evaluated(company, written(tmp_path, "service,entity,person\nbiling,1,p\n"))
    assert result.exit_code == 1
    assert "biling; did you mean 'billing'?" in result.stderr
