"""What a frozen model says of pairs: rows for the ledger, with a weight in bits and the levels that make it.

Belongs here: which pairs are scored in a full and in an incremental run, and their evidence. Does not belong here:
what stands in the ledger already, and who is one customer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from cx_orchestration.identity.matching.comparisons import Comparison
from cx_orchestration.identity.matching.fields import Fields
from cx_orchestration.identity.matching.model import FieldProfile, MatchingModel
from cx_orchestration.identity.matching.observation import level_shares, measure_coverage, patterns_of
from cx_orchestration.identity.matching.pairs import find_candidates, mark_flipped, workspace
from cx_orchestration.identity.matching.weighing import levels_of, weigh
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.storage.engine import Engine

#: The rule of the ledger's rows that a model weighed.
MODEL_RULE = "model"

#: Candidates whose levels are held against those of the training, and how few say nothing.
_SAMPLE, _LEAST_SAMPLE = 20_000, 500


@dataclass(frozen=True)
class ScoredPairs:
    """What a run found.

    ``wanted`` has the columns of ``ledger.WANTED``, evidence as a dictionary, ordered by its keys; ``scope`` (service,
    entity) are the entities whose pairs were looked at, all of them if ``None``. ``candidates`` is how many pairs were
    compared, ``profile`` what they look like.
    """

    wanted: pa.Table
    scope: pa.Table | None
    candidates: int
    profile: FieldProfile


def score_pairs(
    engine: Engine, fields: Fields, model: MatchingModel, config: IdentityConfig, *, everything: bool
) -> ScoredPairs:
    """The pairs that may be one person: of all entities, or of those whose fields changed, against all others.

    A pair weighs the same in both: blocks, probabilities and term frequencies are the frozen ones. Where a block has
    come to be too large to compare, or small enough, its entities are looked at again. Pairs that weigh less than
    ``matching.least_bits`` are left out.
    """
    comparisons = model.comparisons
    with workspace(engine, fields.rows, model.namespaces, everything=everything) as connection:
        scope = None
        if not everything:
            mark_flipped(connection, fields.before, model.caps)
            connection.register("was", fields.before)
            scope = connection.sql(
                "SELECT service, entity FROM fields WHERE changed UNION SELECT service, entity FROM was"
            ).to_arrow_table()
        candidates = find_candidates(connection, model.caps)
        profile = _profile(connection, model, candidates)
        weigh(connection, model.settings, "candidates", model.frequencies, config.matching.least_bits).create("scored")
        connection.execute("DROP TABLE candidates")
        connection.execute(_patterns(comparisons))
        connection.execute("CREATE TYPE evidence_of_pairs AS ENUM (SELECT evidence FROM patterns ORDER BY evidence)")
        rows = connection.sql(_rows(comparisons, model.version)).to_arrow_table()
    return ScoredPairs(rows, scope, candidates, profile)


def _profile(connection: duckdb.DuckDBPyConnection, model: MatchingModel, candidates: int) -> FieldProfile:
    """Coverage of all entities, and levels of a sample of the candidates: none where there are too few to judge."""
    entities, changed = connection.sql("SELECT count(*), count(*) FILTER (WHERE changed) FROM fields").fetchone() or (
        0,
        0,
    )
    looked_at = 1 - (1 - changed / max(entities, 1)) ** 2
    levels = {}
    if candidates >= _LEAST_SAMPLE:
        connection.execute(
            "CREATE OR REPLACE TABLE observed AS SELECT * FROM candidates"
            f" WHERE hash(join_key_l, join_key_r) % {candidates} < {_SAMPLE}"
        )
        found = levels_of(connection, model.settings["comparisons"], "observed")
        levels = level_shares(patterns_of(found, model.comparisons)["0"], model.comparisons)
    per_entity = candidates / looked_at / entities if looked_at else 0.0
    return FieldProfile(measure_coverage(connection, model.namespaces), levels, per_entity)


def _patterns(comparisons: Sequence[Comparison]) -> str:
    """Makes the table of evidence: written once for each pattern of levels, of which there are few."""
    columns = ", ".join(comparison.column for comparison in comparisons)
    levels = ", ".join(f"{comparison.name}: {_label(comparison)}" for comparison in comparisons)
    return f"""
        CREATE OR REPLACE TABLE patterns AS
        SELECT {columns}, to_json({{levels: {{{levels}}}}})::VARCHAR AS evidence
        FROM (SELECT DISTINCT {columns} FROM scored) AS s
    """


def _rows(comparisons: Sequence[Comparison], version: str) -> str:
    """Rounded to a millionth of a bit: the sum of the same weights may differ in its last digits.

    Of evidence a row has the number only: its texts are gigabytes for a million entities. Numbers of entities lie in
    the order of their names, so the rows are in that of ``ledger.WANTED``.
    """
    columns = ", ".join(comparison.column for comparison in comparisons)
    return f"""
        SELECT l.service AS left_service, l.entity AS left_entity, r.service AS right_service,
               r.entity AS right_entity, '{MODEL_RULE}' AS rule, round(s.match_weight, 6) AS match_weight,
               p.evidence::evidence_of_pairs AS evidence, '{version}' AS model_version
        FROM scored s
        JOIN patterns p USING ({columns})
        JOIN fields l ON l.unique_id = s.join_key_l
        JOIN fields r ON r.unique_id = s.join_key_r
        ORDER BY s.join_key_l, s.join_key_r
    """


def _label(comparison: Comparison) -> str:
    labels = ["missing", *reversed([level.label for level in comparison.levels])]
    quoted = ", ".join("'" + label.replace("'", "''") + "'" for label in labels)
    return f"[{quoted}][s.{comparison.column} + 2]"
