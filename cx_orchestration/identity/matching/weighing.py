"""Levels and weights of pairs: the SQL that the settings of a Splink model stand for, in one pass over the pairs.

Belongs here: turning settings into SQL, and running it on a workspace. Does not belong here: which pairs (``pairs.py``)
and what is made of them (``training.py``, ``scoring.py``).

Splink's own prediction gives the same levels and weights; it keeps texts and single factors of every pair, which takes
some four times the CPU and most of the memory. Pairs and their two sides are found by the engine, and DuckDB weighs
parts of them wherever they are. What several levels ask of a pair (``comparisons.SHARED``) is
computed once, and pairs stream through without being kept.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.identity.matching.comparisons import SHARED, Comparison, splink_comparison
from cx_orchestration.identity.matching.estimation import Estimates, Reals
from cx_orchestration.identity.matching.model import FREQUENCIES
from cx_orchestration.storage.engine import Session

#: The pairs with what their two sides have.
_SIDES = "sides"


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


def untrained(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """What settings ask of a pair in these comparisons, with the probabilities that are expected before training."""
    expected = tuple(np.array([level.expected for level in comparison.levels]) for comparison in comparisons)
    by_chance = tuple(np.full(len(shares), 1 / len(shares)) for shares in expected)
    return list(settings(comparisons, Estimates(m=expected, u=by_chance, prior=0.001))["comparisons"])


def count_levels(session: Session, comparisons: Sequence[Mapping[str, Any]], pairs: str) -> pa.Table:
    """How many pairs of a table of the workspace (join_key_l, join_key_r, match_key) are at which levels.

    Columns: match_key, ``gamma_<comparison>`` as Splink numbers levels (-1 missing, 0 the last one), pairs; ordered by
    the former. ``comparisons`` are those of a model's settings.
    """
    columns = ", ".join(["match_key", *(_gamma(each) for each in comparisons)])
    levels = _levels(session, comparisons, pairs)
    session.make_in_parts("counted", f"SELECT {columns}, count(*) AS pairs FROM ({levels}) AS p GROUP BY ALL", _SIDES)
    total = "CAST(sum(pairs) AS DOUBLE) AS pairs"
    return session.query(f"SELECT {columns}, {total} FROM counted GROUP BY {columns} ORDER BY {columns}")


def count_observed(session: Session, comparisons: Sequence[Mapping[str, Any]]) -> pa.Table:
    """``count_levels`` of the observed pairs of ``weigh``, all under the match_key 0."""
    columns = ", ".join(_gamma(each) for each in comparisons)
    return session.query(
        f"SELECT '0' AS match_key, {columns}, CAST(count(*) AS DOUBLE) AS pairs FROM scored WHERE is_observed"
        f" GROUP BY {columns} ORDER BY {columns}"
    )


def weigh(
    session: Session,
    model: Mapping[str, Any],
    pairs: str,
    frequencies: pa.Table,
    least: float,
    observed: str = "false",
) -> int:
    """Make the table ``scored`` of the workspace: the pairs that weigh at least ``least`` bits, and those that are
    ``observed``, a condition on their keys. Returns how many.

    Columns: join_key_l, join_key_r, match_weight, is_observed, ``gamma_<comparison>``. A weight is the prior's log
    odds, and for each comparison log2(m / u) of its level; where both sides have one value, log2(u / frequency of the
    value) is added, as Splink adjusts for common and rare terms. It is rounded to a millionth of a bit: the sum of the
    same weights may differ in its last digits.
    """
    _make_rarities(session, model, frequencies)
    chance = float(model["probability_two_random_records_match"])
    names = [_gamma(each) for each in model["comparisons"]]
    parts = [_bit_text(math.log2(chance / (1 - chance))), *(_bits(each) for each in model["comparisons"])]
    levels = _levels(session, model["comparisons"], pairs, _frequency_columns(model))
    # A list of none or one, since DuckDB writes out what a column stands for wherever it is read: of a plain subquery
    # the levels would be found once for the weight, and once more for themselves.
    row = ", ".join(f"{name}: {name}" for name in ("join_key_l", "join_key_r", "match_weight", "is_observed", *names))
    kept = f"CASE WHEN match_weight >= {_bit_text(least)} OR is_observed THEN [{{{row}}}] ELSE [] END"
    weight = f"round({' + '.join(parts)}, 6) AS match_weight"
    text = (
        f"SELECT found.* FROM (SELECT unnest({kept}) AS found"
        f" FROM (SELECT join_key_l, join_key_r, {weight}, {observed} AS is_observed, {', '.join(names)}"
        f" FROM ({levels}) AS p) AS w) AS u"
    )
    return session.make_in_parts("scored", text, _SIDES)


def count_frequencies(session: Session, model: Mapping[str, Any]) -> pa.Table:
    """How common each value is that more than one entity has, of the fields whose rare values weigh more.

    A value that is not in it gets no adjustment; a pair needs it twice.
    """
    parts = [
        f"SELECT '{name}' AS field, digest_of('{name}', {name}) AS term, entities / total AS frequency"
        f" FROM (SELECT {name}, count(*) AS entities, sum(count(*)) OVER () AS total"
        f" FROM fields WHERE {name} IS NOT NULL GROUP BY {name}) AS c WHERE entities > 1"
        for name in _frequency_columns(model)
    ]
    if not parts:
        return FREQUENCIES.empty_table()
    union = " UNION ALL ".join(f"({part})" for part in parts)
    return session.query(f"SELECT * FROM ({union}) AS f ORDER BY field, term").cast(FREQUENCIES)


def _levels(
    session: Session, comparisons: Sequence[Mapping[str, Any]], pairs: str, frequent: Sequence[str] | None = None
) -> str:
    """The levels of each pair, from both its sides (``_SIDES``), then what several levels ask.

    ``frequent`` are the fields whose rarity (``rarities``) is told beside them.
    """
    cases = [_case(each) for each in comparisons]
    asked = {name: sql for name, sql in SHARED.items() if any(name in case for case in cases)}
    used = " ".join([*cases, *asked.values()])
    present = session.query("SELECT * FROM fields LIMIT 0").column_names
    columns = [name for name in present if re.search(rf"\b{name}_l\b", used)]
    rare = [f"rarity_{name}" for name in frequent or ()]
    sides = [*(f"k.{name}" for name in rare), *(f"{side}.{name} AS {name}_{side}" for name in columns for side in "lr")]
    kept = " JOIN rarities k ON k.unique_id = p.join_key_l" if rare else ""
    session.define(
        _SIDES,
        f"SELECT {', '.join(['p.join_key_l', 'p.join_key_r', 'p.match_key', *sides])} FROM {pairs} AS p{kept}"
        f" JOIN fields AS l ON l.unique_id = p.join_key_l JOIN fields AS r ON r.unique_id = p.join_key_r",
    )
    answers = "".join(f", {sql} AS {name}" for name, sql in asked.items())
    chosen = ["join_key_l", "join_key_r", "match_key", *rare, *cases]
    return f"SELECT {', '.join(chosen)} FROM (SELECT *{answers} FROM {_SIDES}) AS a"


def _case(comparison: Mapping[str, Any]) -> str:
    """A comparison's level as a number; questions that are asked more than once by their name."""
    levels = comparison["comparison_levels"]
    whens = "".join(
        f" WHEN {_named(level['sql_condition'])} THEN {-1 if level.get('is_null_level') else len(levels) - 1 - place}"
        for place, level in enumerate(levels[:-1])
    )
    return f"(CASE{whens} ELSE 0 END)::TINYINT AS {_gamma(comparison)}"


def _named(sql: str) -> str:
    for name, question in SHARED.items():
        sql = sql.replace(question, name)
    return sql


def _bits(comparison: Mapping[str, Any]) -> str:
    levels, column = comparison["comparison_levels"], _gamma(comparison)
    whens = []
    for place, level in enumerate(levels):
        if level.get("is_null_level"):
            continue
        weight = _bit_text(math.log2(level["m_probability"] / level["u_probability"]))
        if name := level.get("tf_adjustment_column"):
            weight += f" + coalesce({_bit_text(math.log2(level['u_probability']))} - rarity_{name}, 0)"
        whens.append(f" WHEN {len(levels) - 1 - place} THEN {weight}")
    return f"(CASE {column}{''.join(whens)} ELSE 0 END)"


def _bit_text(bits: float) -> str:
    """With an exponent, as DuckDB takes 1.5 for a decimal, and adds those of many digits as integers of 128 bits."""
    return f"{bits:.16e}"


def _make_rarities(session: Session, model: Mapping[str, Any], frequencies: pa.Table) -> None:
    """The table ``rarities``: by unique_id the log2 of the frequency of each value that has one."""
    rarity = pc.log2(frequencies["frequency"])
    session.keep("frequencies", frequencies.select(["field", "term"]).append_column("rarity", rarity))
    names = _frequency_columns(model)
    for name in names:
        session.make(
            f"rarity_of_{name}",
            f"SELECT v.{name}, f.rarity FROM (SELECT DISTINCT {name} FROM fields WHERE {name} IS NOT NULL) AS v"
            f" JOIN frequencies f ON f.field = '{name}' AND f.term = digest_of('{name}', v.{name})",
        )
    columns = "".join(f", {name}_terms.rarity AS rarity_{name}" for name in names)
    joins = "".join(f" LEFT JOIN rarity_of_{name} AS {name}_terms ON {name}_terms.{name} = f.{name}" for name in names)
    session.make("rarities", f"SELECT f.unique_id{columns} FROM fields f{joins}")


def _gamma(comparison: Mapping[str, Any]) -> str:
    return f"gamma_{comparison['output_column_name']}"


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
