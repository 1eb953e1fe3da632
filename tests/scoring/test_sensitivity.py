"""Which dispositions and ranks hang on one weight."""

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.model.scoring import Decisions, ScoringConfig, Strategy
from cx_orchestration.scoring.sensitivity import sensitivity
from cx_orchestration.storage.lake import Lake

FIRST = Strategy.HIGHEST_IMPACT_FIRST


def config() -> ScoringConfig:
    """Impact is half of ``x`` and half of ``y``, complexity is 0; from 50 on it is worth integrating."""
    halves = {name: {"score": "impact", "column": name, "weight": 1, "scale": {"highest": 100}} for name in ("x", "y")}
    hard = {"score": "complexity", "column": "customers_per_year", "weight": 1, "scale": {"highest": 10**9}}
    bands = [{"disposition": "integrate", "min_impact": 50}, {"disposition": "keep_as_is"}]
    return ScoringConfig.model_validate({"dimensions": halves | {"hard": hard}, "bands": bands})


def tool(row_of, system: str, x: float, y: float):
    return row_of(system, customers_per_year=0, extras={"x": str(x), "y": str(y)})


def flips(rows, decisions=None) -> list[tuple[str, ...]]:
    found = sensitivity(rows, config(), decisions or Decisions(), {}, FIRST)
    assert found.columns.tolist() == tables.SENSITIVITY.schema.names
    return list(found[["dimension", "change", "what", "service", "before", "after"]].itertuples(index=False, name=None))


def test_a_service_at_the_edge_of_its_band_flips(row_of) -> None:
    # 52 of 100: with the weight of x at 0.9, (0.9 * 94 + 10) / 1.9 = 49.8; at 1.1 of y, (94 + 1.1 * 10) / 2.1 = 50.
    assert flips([tool(row_of, "Edge", 94, 10)]) == [
        ("x", "weight -10%", "disposition", "edge", "integrate", "keep_as_is"),
    ]


def test_two_services_that_differ_in_kind_swap_their_ranks(row_of) -> None:
    # A 75.5 and B 75: with x at 0.9, A is (0.9 * 100 + 51) / 1.9 = 74.2 and B (0.9 * 50 + 100) / 1.9 = 76.3.
    rows = [tool(row_of, "A", 100, 51), tool(row_of, "B", 50, 100)]
    assert flips(rows) == [
        ("x", "weight -10%", "rank", "a", "1", "2"),
        ("x", "weight -10%", "rank", "b", "2", "1"),
        ("y", "weight +10%", "rank", "a", "1", "2"),
        ("y", "weight +10%", "rank", "b", "2", "1"),
    ]


def test_a_plan_that_hangs_on_no_weight_has_no_flips(lake: Lake, row_of) -> None:
    rows = [tool(row_of, "A", 100, 90), tool(row_of, "B", 20, 10)]
    assert flips(rows) == []
    found = sensitivity(rows, config(), Decisions(), {}, FIRST)
    lake.replace(tables.SENSITIVITY, pa.Table.from_pandas(found, preserve_index=False), run_id="r")
    assert lake.read(tables.SENSITIVITY).num_rows == 0


def test_a_decision_does_not_flip_but_its_proposal_does(row_of, decisions_of) -> None:
    rows = [tool(row_of, "Edge", 94, 10), tool(row_of, "Low", 60, 42)]
    decided = decisions_of(("edge", "integrate"), ("low", "integrate"))
    assert [flip for flip in flips(rows, decided) if flip[2] == "disposition"] == [
        ("x", "weight -10%", "disposition", "edge", "integrate", "keep_as_is")
    ]
