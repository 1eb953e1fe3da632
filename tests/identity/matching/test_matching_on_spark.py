"""Matching on Spark: the fields, the model, the pairs and their weights are those that DuckDB finds."""

from typing import Any

import pyarrow as pa
import pytest
from town import CONFIG, NOW, erase, town, without_person

from cx_orchestration.identity.matching.fields import matching_fields
from cx_orchestration.identity.matching.model import load_model
from cx_orchestration.identity.matching.nights import Matched, update_matches
from cx_orchestration.identity.matching.pairs import workspace
from cx_orchestration.identity.matching.rules import count_matches, sample_rules
from cx_orchestration.model.tables import LINKS, MATCHING_FIELDS, PROFILES
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

pytestmark = pytest.mark.spark


def changed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The next day: some are gone, some new, and a street is so common all at once that it says nothing."""
    now = [dict(row) for row in rows[20:]]
    for place, row in enumerate(now[:40]):
        row["street"] = now[0]["street"]
        row["given_name"] = ("Zoë", "", "Мария", "Ян-Öst", None)[place % 5]
    return now


def first_day() -> list[dict[str, Any]]:
    rows = town(90)
    for row, name in zip(
        rows[::9], ("José", "JOSE", "Łukasz", " ", "李小龍", "O'Brien-Müller", "Мария") * 5, strict=False
    ):
        row["given_name"] = name
    for row in rows[4::11]:
        row["name"] = f"{row.pop('family_name')}, {row.pop('given_name')}"
    return rows


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, spark: Engine) -> list[tuple[Lake, list[Matched]]]:
    """Three nights as DuckDB and as Spark live them; before the last one somebody is erased."""
    first, made = first_day(), []
    second = changed(first)
    for name, engine in (("duckdb", Engine()), ("spark", spark)):
        lake = Lake(tmp_path_factory.mktemp(name))
        nights = []
        for day in (first, second, second[:-1]):
            if len(nights) == 2:
                erase(lake, second[-1])
            lake.replace(PROFILES, without_person(day), run_id="profiles")
            nights.append(update_matches(lake, Engine(), CONFIG, comparing=engine, now=NOW, run_id="night"))
        made.append((lake, nights))
    return made


def test_both_train_the_same_model_and_compare_the_same_pairs(lived):
    (_, on_duckdb), (_, on_spark) = lived
    assert on_spark == on_duckdb
    assert [night.trained for night in on_spark] == [True, False, False]
    assert all(night.ledger.made for night in on_spark[:2])
    assert on_spark[2].compared > 0  # blocks that the erased may have left small enough to compare


@pytest.mark.parametrize("table", [MATCHING_FIELDS, LINKS])
def test_a_table_has_the_same_rows(lived, table):
    (duckdb_lake, _), (spark_lake, _) = lived
    assert spark_lake.rows(table) > 100
    assert spark_lake.content_hash(table) == duckdb_lake.content_hash(table)


def test_both_see_the_same_pairs_and_matches_under_each_rule(lived, spark):
    (lake, _), _ = lived
    model, seen = load_model(lake, Engine()), []
    assert model is not None
    offered = pa.table({"rule": list(model.caps), "cap": list(model.caps.values()), "pairs": [1] * len(model.caps)})
    for engine in (Engine(), spark):
        fields = matching_fields(engine, lake.scan(PROFILES), CONFIG, model.habits, today=NOW.date())
        with workspace(engine, fields.rows, model.namespaces) as session:
            sample_rules(session, model.comparisons, offered)
            seen.append(count_matches(session, model.settings, model.frequencies).to_pydict())
    on_duckdb, on_spark = seen
    assert sum(on_duckdb["pairs"]) > 200
    assert on_spark["found_by"] == on_duckdb["found_by"]
    assert on_spark["pairs"] == on_duckdb["pairs"]
    assert on_spark["matches"] == pytest.approx(on_duckdb["matches"])
