"""What a frozen model says of pairs: rows for the ledger, with a weight in bits and the levels that make it.

Belongs here: which pairs are scored in a full and in an incremental run, and their evidence. Does not belong here:
what stands in the ledger already, and who is one customer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import orjson
import pyarrow as pa

from cx_orchestration.identity.matching.comparisons import Comparison
from cx_orchestration.identity.matching.fields import Fields
from cx_orchestration.identity.matching.model import FieldProfile, MatchingModel
from cx_orchestration.identity.matching.observation import level_shares, measure_coverage, patterns_of
from cx_orchestration.identity.matching.pairs import (
    blocks_to_keep,
    find_candidates,
    night_workspace,
    take_sides,
    workspace,
)
from cx_orchestration.identity.matching.weighing import count_observed, weigh
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.storage.engine import Engine, Input, Session

#: The rule of the ledger's rows that a model weighed.
MODEL_RULE = "model"

#: Candidates whose levels are held against those of the training, and how few say nothing.
_SAMPLE, _LEAST_SAMPLE = 20_000, 500


@dataclass(frozen=True)
class ScoredPairs:
    """What a run found.

    ``wanted`` has the columns of ``ledger.WANTED``, evidence as a dictionary, ordered by its keys. ``candidates`` is
    how many pairs were compared, ``profile`` what they look like. ``blocks`` are those of the fields that were looked
    at, to be kept. ``scope`` (service, entity) are the entities whose pairs were looked at, all of them if ``None``,
    and ``among`` others, of whom only pairs with each other were.
    """

    wanted: pa.Table
    candidates: int
    profile: FieldProfile
    blocks: pa.ChunkedArray
    scope: pa.Table | None = None
    among: pa.Table | None = None


def score_pairs(engine: Engine, fields: Fields, model: MatchingModel, config: IdentityConfig) -> ScoredPairs:
    """The pairs of all entities that may be one person, but for those that weigh less than ``matching.least_bits``."""
    entities = fields.rows.num_rows
    with workspace(engine, fields.rows, model.namespaces, model.frequencies) as session:
        candidates = find_candidates(session, model.caps)
        coverage = measure_coverage(session, model.namespaces)
        return _scored(
            session, model, config, candidates, _profile(coverage, candidates, entities, entities), candidates
        )


def score_changed(
    engine: Engine, fields: Fields, kept: Input, model: MatchingModel, config: IdentityConfig, *, erased: int = 0
) -> ScoredPairs:
    """``score_pairs``, of the entities whose fields are other than what was ``kept``, against all others.

    A pair weighs the same in both: blocks, probabilities and term frequencies are the frozen ones. Where a block has
    come to be too large to compare, or small enough, the pairs of those in it are looked at again; also where that may
    be so as at most so many entities were ``erased`` from what was kept.
    """
    with night_workspace(engine, fields, kept, model.caps, erased) as session:
        changed = session.make("those_changed", "SELECT service, entity FROM rows WHERE changed")
        scope = session.query("SELECT service, entity FROM those_changed UNION SELECT service, entity FROM before")
        among = session.query(
            "SELECT p.service, p.entity FROM present p SEMI JOIN flipped f ON f.unique_id = p.unique_id"
        )
        candidates = take_sides(session, model.namespaces, model.frequencies)
        of_changed = session.query("SELECT count(*) AS n FROM candidates WHERE match_key = '0'")["n"][0].as_py()
        coverage = measure_coverage(session, model.namespaces, "present")
        entities = session.query("SELECT coalesce(CAST(sum(entities) AS BIGINT), 0) AS n FROM covered")["n"][0].as_py()
        profile = _profile(coverage, of_changed, changed, entities)
        scored = _scored(session, model, config, candidates, profile, of_changed)
        return replace(scored, scope=scope, among=among)


def score_trained(session: Session, model: MatchingModel, config: IdentityConfig) -> ScoredPairs:
    """``score_pairs`` of everything, in the workspace in which the ``model`` was just trained."""
    candidates = find_candidates(session, model.caps)
    return _scored(session, model, config, candidates, model.profile)


def _scored(
    session: Session,
    model: MatchingModel,
    config: IdentityConfig,
    candidates: int,
    profile: FieldProfile,
    of_changed: int = 0,
) -> ScoredPairs:
    """The workspace's candidates, which are given back, weighed. Those ``of_changed`` have the ``match_key`` 0:
    a sample of them gives the levels of the ``profile``, if they are not too few."""
    kept = blocks_to_keep(session)
    session.drop("blocks")
    session.drop("capped")
    is_drawn = of_changed >= _LEAST_SAMPLE
    drawn = f"match_key = '0' AND hash(join_key_l, join_key_r) % {of_changed} < {_SAMPLE}" if is_drawn else "false"
    weigh(session, model.settings, "candidates", model.frequencies, config.matching.least_bits, drawn)
    session.drop("candidates")
    if is_drawn:
        observed = count_observed(session, model.settings["comparisons"])
        levels = level_shares(patterns_of(observed, model.comparisons)["0"], model.comparisons)
        profile = replace(profile, levels=levels)
    return ScoredPairs(_wanted(session, model, config.matching.least_bits), candidates, profile, kept)


def _wanted(session: Session, model: MatchingModel, least: float) -> pa.Table:
    """The rows of ``ScoredPairs.wanted``, of the workspace's scored pairs."""
    session.define("weighty", f"SELECT * FROM scored WHERE match_weight >= {least!r}")
    evidence = _number_patterns(session, model.comparisons)
    rows = session.query(_rows(model.comparisons, model.version))
    return rows.set_column(rows.schema.get_field_index("pattern"), "evidence", _texts(rows["pattern"], evidence))


def _profile(coverage: Mapping[str, float], candidates: int, changed: int, entities: int) -> FieldProfile:
    """What that many candidates of that many changed entities look like, but for their levels."""
    share = 1 - (1 - changed / max(entities, 1)) ** 2
    return FieldProfile(coverage, {}, candidates / share / entities if share else 0.0)


def _number_patterns(session: Session, comparisons: Sequence[Comparison]) -> list[str]:
    """Keep the table ``patterns``: those of levels that scored pairs show, of which there are few, and their numbers.

    Returns the evidence of each, by number.
    """
    names = [comparison.column for comparison in comparisons]
    columns = ", ".join(names)
    found = session.query(f"SELECT DISTINCT {columns} FROM weighty ORDER BY {columns}")
    session.keep("patterns", found.append_column("pattern", pa.array(range(found.num_rows), pa.int32())))
    labels = [["missing", *reversed([level.label for level in comparison.levels])] for comparison in comparisons]
    shown = zip(*(found[name].to_pylist() for name in names), strict=True)
    return [
        _evidence(comparisons, [of[level + 1] for of, level in zip(labels, pattern, strict=True)]) for pattern in shown
    ]


def _evidence(comparisons: Sequence[Comparison], labels: Sequence[str]) -> str:
    levels = {comparison.name: label for comparison, label in zip(comparisons, labels, strict=True)}
    return orjson.dumps({"levels": levels}).decode()


def _texts(numbers: pa.ChunkedArray, texts: Sequence[str]) -> pa.ChunkedArray:
    """Texts as numbers of a dictionary: those of a million entities' pairs are gigabytes."""
    dictionary = pa.array(texts, pa.string())
    kind = pa.dictionary(numbers.type, pa.string())
    chunks = [pa.DictionaryArray.from_arrays(chunk, dictionary) for chunk in numbers.chunks]
    return pa.chunked_array(chunks, kind)


def _rows(comparisons: Sequence[Comparison], version: str) -> str:
    """Numbers of entities lie in the order of their names, so the rows are in that of ``ledger.WANTED``."""
    columns = ", ".join(comparison.column for comparison in comparisons)
    return f"""
        SELECT l.service AS left_service, l.entity AS left_entity, r.service AS right_service,
               r.entity AS right_entity, '{MODEL_RULE}' AS rule, s.match_weight, p.pattern,
               '{version}' AS model_version
        FROM weighty s
        JOIN patterns p USING ({columns})
        JOIN fields l ON l.unique_id = s.join_key_l
        JOIN fields r ON r.unique_id = s.join_key_r
        ORDER BY s.join_key_l, s.join_key_r
    """
