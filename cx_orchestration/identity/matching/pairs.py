"""Pairs of entities compared by Splink, on a connection of the project's engine.

Belongs here: the tables that a comparison needs, and calling Splink. Does not belong here: which pairs, and what is
made of the result (``training.py``, ``scoring.py``).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from cx_orchestration.identity.matching.comparisons import Comparison, key_column, splink_comparison
from cx_orchestration.identity.matching.estimation import Estimates, Reals
from cx_orchestration.identity.matching.model import FREQUENCIES
from cx_orchestration.storage.engine import Engine, sql_text

#: Pairs compared in one go: what Splink keeps of a pair is some hundred bytes.
_PAIRS_AT_ONCE = 4_000_000


@contextmanager
def workspace(
    engine: Engine, fields: pa.Table, namespaces: Sequence[str], *, everything: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the tables ``fields`` (a list column more for each namespace) and ``blocks``.

    With ``everything`` all entities count as changed, so that all pairs are candidates.
    """
    with engine.connect({"rows": fields}) as connection:
        if everything:
            connection.execute("CREATE VIEW chosen AS SELECT * REPLACE (true AS changed) FROM rows")
        else:
            connection.execute("CREATE VIEW chosen AS SELECT * FROM rows")
        connection.execute(
            f"CREATE TABLE fields AS SELECT *, string_split(words, ' ') AS tokens{_key_columns(namespaces)} FROM chosen"
        )
        connection.execute(f"CREATE TABLE blocks AS {sql_text(__package__, 'blocks.sql')}")
        yield connection


def mark_flipped(connection: duckdb.DuckDBPyConnection, before: pa.Table, caps: Mapping[str, int]) -> None:
    """Count as changed too who is in a block that has come to be over its cap, or under it.

    ``before`` are the fields, as they were, of the entities that changed or are gone.
    """
    connection.register("before", before)
    was = "SELECT *, 0 AS unique_id, true AS changed FROM before"
    text = sql_text(__package__, "blocks.sql").replace("FROM fields", f"FROM ({was}) AS fields")
    connection.execute(f"CREATE OR REPLACE TABLE blocks_before AS {text}")
    with _caps(connection, caps):
        connection.execute(f"CREATE OR REPLACE TABLE flipped AS {sql_text(__package__, 'flipped.sql')}")
    for table in ("blocks", "fields"):
        connection.execute(f"UPDATE {table} SET changed = true WHERE unique_id IN (SELECT unique_id FROM flipped)")
    connection.unregister("before")


def find_candidates(connection: duckdb.DuckDBPyConnection, caps: Mapping[str, int]) -> int:
    """Make the table ``candidates`` of the workspace and return how many pairs it has."""
    with _caps(connection, caps):
        connection.execute(f"CREATE OR REPLACE TABLE candidates AS {sql_text(__package__, 'candidates.sql')}")
    return _count(connection, "candidates")


def settings(comparisons: Sequence[Comparison], estimates: Estimates) -> dict[str, Any]:
    """A Splink model of these probabilities: what its own tools, its charts and other backends read."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "unique_id",
        "probability_two_random_records_match": estimates.prior,
        "comparisons": [
            splink_comparison(comparison, _floats(m), _floats(u))
            for comparison, m, u in zip(comparisons, estimates.m, estimates.u, strict=True)
        ],
        "blocking_rules_to_generate_predictions": [],
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": False,
    }


def compare(
    connection: duckdb.DuckDBPyConnection,
    model: Mapping[str, Any],
    pairs: str,
    frequencies: pa.Table | None = None,
    *,
    least: float | None = None,
) -> Iterator[duckdb.DuckDBPyRelation]:
    """Splink's comparison of the pairs in a table of the workspace, in parts that fit into memory.

    A part has unique_id_l, unique_id_r, match_key, match_weight and ``gamma_<comparison>``, and is gone when the next
    one is asked for. Pairs that weigh less than ``least`` bits are left out. Without ``frequencies`` all values of a
    field count as equally common.
    """
    # Splink takes a second to import, and most commands never compare anything.
    from splink import DuckDBAPI, Linker

    chosen = dict(model) if frequencies is not None else _without_frequencies(model)
    parts = max(1, -(-_count(connection, pairs) // _PAIRS_AT_ONCE))
    for part in range(parts):
        api = DuckDBAPI(connection)
        linker = Linker(api.register("fields"), chosen, log_level=None)
        if frequencies is not None:
            for name in sorted(_frequency_columns(model)):
                linker.table_management.register_term_frequency_lookup(
                    api.register(_lookup(connection, frequencies, name)), name
                )
        connection.execute(
            f"CREATE OR REPLACE TABLE compared_pairs AS SELECT * FROM {pairs} WHERE join_key_l % {parts} = {part}"
        )
        linker.table_management.register_blocked_pairs_for_predict(api.register("compared_pairs"))
        found = linker.inference.predict(threshold_match_weight=least, warning_mode="never")
        yield found.as_duckdbpyrelation()
        found.drop_table_from_database_and_remove_from_cache()
        api.delete_tables_created_by_splink_from_db()  # type: ignore[no-untyped-call]


def count_frequencies(connection: duckdb.DuckDBPyConnection, model: Mapping[str, Any]) -> pa.Table:
    """How common each value is that more than one entity has, of the fields whose rare values weigh more.

    A value that is not in it gets no adjustment; a pair needs it twice.
    """
    parts = [
        f"SELECT '{name}' AS field, digest_of('{name}', {name}) AS term, count(*) / sum(count(*)) OVER () AS frequency"
        f" FROM fields WHERE {name} IS NOT NULL GROUP BY {name} QUALIFY count(*) > 1"
        for name in sorted(_frequency_columns(model))
    ]
    if not parts:
        return FREQUENCIES.empty_table()
    union = " UNION ALL ".join(f"({part})" for part in parts)
    return connection.sql(f"SELECT * FROM ({union}) AS f ORDER BY field, term").to_arrow_table().cast(FREQUENCIES)


@contextmanager
def _caps(connection: duckdb.DuckDBPyConnection, caps: Mapping[str, int]) -> Iterator[None]:
    schema = pa.schema([("rule", pa.string()), ("cap", pa.int64())])
    connection.register("caps", pa.table({"rule": list(caps), "cap": list(caps.values())}, schema=schema))
    yield
    connection.unregister("caps")


def _key_columns(namespaces: Sequence[str]) -> str:
    return "".join(
        f", nullif(list_transform(list_filter(keys, lambda k: k.namespace = '{name}'), lambda k: k.value), [])"
        f" AS {key_column(name)}"
        for name in namespaces
    )


def _lookup(connection: duckdb.DuckDBPyConnection, frequencies: pa.Table, name: str) -> pa.Table:
    """The frequencies of the values that are there, as Splink takes them."""
    connection.register("frequencies", frequencies)
    found = connection.sql(
        f"SELECT v.{name}, f.frequency AS tf_{name} FROM (SELECT DISTINCT {name} FROM fields) AS v"
        f" JOIN frequencies f ON f.field = '{name}' AND f.term = digest_of('{name}', {name})"
    ).to_arrow_table()
    connection.unregister("frequencies")
    return found


def _frequency_columns(model: Mapping[str, Any]) -> set[str]:
    return {
        level["tf_adjustment_column"]
        for comparison in model["comparisons"]
        for level in comparison["comparison_levels"]
        if "tf_adjustment_column" in level
    }


def _without_frequencies(model: Mapping[str, Any]) -> dict[str, Any]:
    comparisons = [
        comparison
        | {
            "comparison_levels": [
                {key: value for key, value in level.items() if "tf_" not in key}
                for level in comparison["comparison_levels"]
            ]
        }
        for comparison in model["comparisons"]
    ]
    return dict(model) | {"comparisons": comparisons}


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    rows = connection.sql(f"SELECT count(*) FROM {table}").fetchone()
    return int(rows[0]) if rows else 0


def _floats(values: Reals) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
