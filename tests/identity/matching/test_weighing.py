"""Pairs weighed in one pass have the levels and weights that Splink itself gives them."""

import pytest
from town import CONFIG

from cx_orchestration.identity.matching.fields import Fields
from cx_orchestration.identity.matching.model import MatchingModel
from cx_orchestration.identity.matching.pairs import find_candidates, workspace
from cx_orchestration.identity.matching.weighing import weigh
from cx_orchestration.storage.engine import Engine


def test_levels_and_weights_are_those_of_splink(engine: Engine, fields: Fields, model: MatchingModel) -> None:
    from splink import DuckDBAPI, Linker

    columns = [*(comparison.column for comparison in model.comparisons), "match_weight"]
    with workspace(engine, fields.rows, sorted(CONFIG.namespaces)) as session:
        find_candidates(session, model.caps)
        weigh(session, model.settings, "candidates", model.frequencies, -1000.0)
        ours = session.query(
            f"SELECT join_key_l, join_key_r, {', '.join(columns)} FROM scored ORDER BY join_key_l, join_key_r"
        ).to_pylist()
        names = sorted(set(model.frequencies["field"].to_pylist()))
        lookups = {
            name: session.query(
                f"SELECT v.{name}, 2 ** r.rarity AS tf_{name} FROM (SELECT DISTINCT {name} FROM fields) AS v"
                f" JOIN rarity_of_{name} r USING ({name})"
            )
            for name in names
        }
        tables = {name: session.query(f"SELECT * FROM {name}") for name in ("fields", "candidates")}

    api = DuckDBAPI()
    linker = Linker(api.register(tables["fields"]), dict(model.settings), log_level=None)
    for name, lookup in lookups.items():
        linker.table_management.register_term_frequency_lookup(api.register(lookup), name)
    linker.table_management.register_blocked_pairs_for_predict(api.register(tables["candidates"]))
    found = linker.inference.predict(threshold_match_weight=-1000.0, warning_mode="never").as_duckdbpyrelation()
    theirs = found.select("unique_id_l", "unique_id_r", *columns).order("unique_id_l, unique_id_r").fetchall()

    assert len(ours) > 500
    assert [tuple(row.values())[:-1] for row in ours] == [row[:-1] for row in theirs]
    assert [row["match_weight"] for row in ours] == pytest.approx([row[-1] for row in theirs], abs=1e-6)
