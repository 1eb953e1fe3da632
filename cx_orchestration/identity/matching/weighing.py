"""Levels and weights of pairs: the SQL that the settings of a Splink model stand for, in one pass over the pairs.

Belongs here: turning settings into SQL, and running it on a workspace. Does not belong here: which pairs (``pairs.py``)
and what is made of them (``training.py``, ``scoring.py``).

Splink's own prediction gives the same levels and weights; it keeps texts and single factors of every pair, which takes
some four times the CPU and most of the memory. What several levels ask of a pair (``comparisons.SHARED``) is
computed once, and pairs stream through without being kept.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from cx_orchestration.identity.matching.comparisons import SHARED, Comparison, splink_comparison
from cx_orchestration.identity.matching.estimation import Estimates, Reals
from cx_orchestration.identity.matching.model import FREQUENCIES

_SIDES = ("l", "r")


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


def levels_of(
    connection: duckdb.DuckDBPyConnection, comparisons: Sequence[Mapping[str, Any]], pairs: str
) -> duckdb.DuckDBPyRelation:
    """The pairs of a table of the workspace (join_key_l, join_key_r, match_key) with a level in each comparison.

    Columns: join_key_l, join_key_r, match_key, and ``gamma_<comparison>`` as Splink numbers levels: -1 missing, 0 the
    last one. ``comparisons`` are those of a model's settings.
    """
    return connection.sql(_levels(connection, comparisons, pairs))


def weigh(
    connection: duckdb.DuckDBPyConnection, model: Mapping[str, Any], pairs: str, frequencies: pa.Table, least: float
) -> duckdb.DuckDBPyRelation:
    """The pairs that weigh at least ``least`` bits: join_key_l, join_key_r, match_weight, ``gamma_<comparison>``.

    A weight is the prior's log odds, and for each comparison log2(m / u) of its level; where both sides have one value,
    log2(u / frequency of the value) is added, as Splink adjusts for common and rare terms.
    """
    _with_frequencies(connection, model, frequencies)
    chance = float(model["probability_two_random_records_match"])
    names = [f"gamma_{each['output_column_name']}" for each in model["comparisons"]]
    parts = [repr(math.log2(chance / (1 - chance))), *(_bits(each) for each in model["comparisons"])]
    return connection.sql(
        f"SELECT join_key_l, join_key_r, {' + '.join(parts)} AS match_weight, {', '.join(names)}"
        f" FROM ({_levels(connection, model['comparisons'], pairs, 'rarities')}) AS p WHERE match_weight >= {least!r}"
    )


def count_frequencies(connection: duckdb.DuckDBPyConnection, model: Mapping[str, Any]) -> pa.Table:
    """How common each value is that more than one entity has, of the fields whose rare values weigh more.

    A value that is not in it gets no adjustment; a pair needs it twice.
    """
    parts = [
        f"SELECT '{name}' AS field, digest_of('{name}', {name}) AS term, count(*) / sum(count(*)) OVER () AS frequency"
        f" FROM fields WHERE {name} IS NOT NULL GROUP BY {name} QUALIFY count(*) > 1"
        for name in _frequency_columns(model)
    ]
    if not parts:
        return FREQUENCIES.empty_table()
    union = " UNION ALL ".join(f"({part})" for part in parts)
    return connection.sql(f"SELECT * FROM ({union}) AS f ORDER BY field, term").to_arrow_table().cast(FREQUENCIES)


def _levels(
    connection: duckdb.DuckDBPyConnection, comparisons: Sequence[Mapping[str, Any]], pairs: str, kept: str | None = None
) -> str:
    """Both sides of each pair, then what several levels ask, then the levels.

    ``kept`` names a table of further columns of the left side, by unique_id.
    """
    cases = [_case(each) for each in comparisons]
    asked = {name: sql for name, sql in SHARED.items() if any(name in case for case in cases)}
    used = " ".join([*cases, *asked.values()])
    columns = [name for name in connection.table("fields").columns if re.search(rf"\b{name}_l\b", used)]
    sides = [f"{side}.{name} AS {name}_{side}" for name in columns for side in _SIDES]
    extra, joined = ("", "") if kept is None else (", k.* EXCLUDE (unique_id)", f" JOIN {kept} k USING (unique_id)")
    left = f"(SELECT f.*{extra} FROM fields f{joined})"
    rare = [] if kept is None else [name for name in connection.table(kept).columns if name != "unique_id"]
    both = (
        f"SELECT {', '.join(['p.*', *(f'l.{name}' for name in rare), *sides])} FROM {pairs} AS p"
        f" JOIN {left} AS l ON l.unique_id = p.join_key_l JOIN fields AS r ON r.unique_id = p.join_key_r"
    )
    answers = "".join(f", {sql} AS {name}" for name, sql in asked.items())
    chosen = ["join_key_l", "join_key_r", "match_key", *rare, *cases]
    return f"SELECT {', '.join(chosen)} FROM (SELECT *{answers} FROM ({both}) AS b) AS a"


def _case(comparison: Mapping[str, Any]) -> str:
    """A comparison's level as a number; questions that are asked more than once by their name."""
    levels = comparison["comparison_levels"]
    whens = "".join(
        f" WHEN {_named(level['sql_condition'])} THEN {-1 if level.get('is_null_level') else len(levels) - 1 - place}"
        for place, level in enumerate(levels[:-1])
    )
    return f"(CASE{whens} ELSE 0 END)::TINYINT AS gamma_{comparison['output_column_name']}"


def _named(sql: str) -> str:
    for name, question in SHARED.items():
        sql = sql.replace(question, name)
    return sql


def _bits(comparison: Mapping[str, Any]) -> str:
    levels, column = comparison["comparison_levels"], f"gamma_{comparison['output_column_name']}"
    whens = []
    for place, level in enumerate(levels):
        if level.get("is_null_level"):
            continue
        weight = repr(math.log2(level["m_probability"] / level["u_probability"]))
        if name := level.get("tf_adjustment_column"):
            weight += f" + coalesce({math.log2(level['u_probability'])!r} - rarity_{name}, 0.0)"
        whens.append(f" WHEN {len(levels) - 1 - place} THEN {weight}")
    return f"(CASE {column}{''.join(whens)} ELSE 0.0 END)"


def _with_frequencies(connection: duckdb.DuckDBPyConnection, model: Mapping[str, Any], frequencies: pa.Table) -> None:
    """The table ``rarities``: by unique_id the log2 of the frequency of each value that has one."""
    connection.register("frequencies", frequencies)
    names = _frequency_columns(model)
    for name in names:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE rarity_of_{name} AS SELECT v.{name}, log2(f.frequency) AS rarity"
            f" FROM (SELECT DISTINCT {name} FROM fields WHERE {name} IS NOT NULL) AS v"
            f" JOIN frequencies f ON f.field = '{name}' AND f.term = digest_of('{name}', {name})"
        )
    columns = "".join(f", {name}_terms.rarity AS rarity_{name}" for name in names)
    joins = "".join(f" LEFT JOIN rarity_of_{name} AS {name}_terms ON {name}_terms.{name} = f.{name}" for name in names)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE rarities AS SELECT f.unique_id{columns} FROM fields f{joins}")
    connection.unregister("frequencies")


def _frequency_columns(model: Mapping[str, Any]) -> list[str]:
    return sorted(
        {
            level["tf_adjustment_column"]
            for comparison in model["comparisons"]
            for level in comparison["comparison_levels"]
            if "tf_adjustment_column" in level
        }
    )


def _floats(values: Reals) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
