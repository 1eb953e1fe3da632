"""Training a model on a company's own profiles, without labels.

Belongs here: which pairs a model learns from. Does not belong here: the estimation itself (``estimation.py``).
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from cx_orchestration.identity.matching.comparisons import (
    HOUSEMATES,
    LEAST_COVERAGE,
    NEIGHBOURS,
    STRANGERS,
    Comparison,
    derive_comparisons,
    key_column,
)
from cx_orchestration.identity.matching.estimation import Block, Patterns, estimate
from cx_orchestration.identity.matching.model import FieldProfile, MatchingModel, version_of
from cx_orchestration.identity.matching.observation import level_shares, measure_coverage, patterns_of
from cx_orchestration.identity.matching.pairs import workspace
from cx_orchestration.identity.matching.rules import choose_rules, sample_rules
from cx_orchestration.identity.matching.weighing import count_frequencies, count_levels, settings, untrained
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.storage.engine import Engine, Session, sql_text

_SEED = 20_250_601
#: Random pairs to learn from what agrees by chance: so many for each entity, within these bounds.
_STRANGERS_PER_ENTITY, _STRANGERS = 30, (100_000, 200_000)
#: Pairs of one surname, of one home, of one training block, and of candidates; each is a sample where there are more.
_SAMPLE = 40_000
#: Entities that share a value, beyond which it is no block to train on.
_TRAINING_CAP = 200
#: What a rule may bring: so many pairs for each entity, in blocks of at most so many (fewer than 128:
#: ``blocks_capped.sql`` writes that in seven bits).
_PAIRS_PER_ENTITY, _LARGEST_BLOCK = 2.0, 100
#: Fewer entities than this say nothing of each other.
_LEAST_ENTITIES = 30

#: Blocks that a model learns from, and the comparisons that what they share decides.
_BLOCKS: tuple[tuple[str, frozenset[str]], ...] = (
    ("birth", frozenset({"birth"})),
    ("street", frozenset({"address", "area"})),
    ("given family", frozenset({"given", "family"})),
    ("postcode given", frozenset({"given", "area", "address"})),
    ("postcode family", frozenset({"family", "area", "address"})),
    ("city given", frozenset({"given", "area", "address"})),
    ("city family", frozenset({"family", "area", "address"})),
)
#: Those in which households meet, and twins. What these share does not judge there: they would pass for one person, and
#: teach that persons differ in given name and birth date.
_OF_HOUSEHOLDS = frozenset({"birth", "street", "postcode family", "city family"})


@contextmanager
def training(
    engine: Engine, fields: pa.Table, habits: pa.Table, config: IdentityConfig, *, now: dt.datetime
) -> Iterator[tuple[MatchingModel | None, Session]]:
    """The model that these ``fields`` (``fields.matching_fields``) teach, and the workspace that it was trained in, in
    which are all ``candidates``; no model where there is nothing to compare.

    ``habits`` are those that the fields were read with. The same fields give the same model: samples are drawn by
    content.
    """
    namespaces = _told_once(fields, config)
    with workspace(engine, fields, namespaces) as session:
        yield _trained(session, fields, namespaces, habits, config, now), session


def train(
    engine: Engine, fields: pa.Table, habits: pa.Table, config: IdentityConfig, *, now: dt.datetime
) -> MatchingModel | None:
    """The model of a ``training`` alone."""
    with training(engine, fields, habits, config, now=now) as (model, _):
        return model


def _trained(
    session: Session,
    fields: pa.Table,
    namespaces: Sequence[str],
    habits: pa.Table,
    config: IdentityConfig,
    now: dt.datetime,
) -> MatchingModel | None:
    household = frozenset(key_column(name) for name, rule in config.namespaces.items() if rule.strength != "person")
    guarded = frozenset(key_column(name) for name, rule in config.namespaces.items() if rule.guards_names)
    if fields.num_rows < _LEAST_ENTITIES:
        return None
    coverage = measure_coverage(session, namespaces)
    comparisons = derive_comparisons(coverage, household, guarded)
    if not comparisons:
        return None
    offered = _offer_rules(session, fields.num_rows)
    sample = sample_rules(session, comparisons, offered)
    blocks = _training_blocks(comparisons, namespaces, household | guarded)
    patterns = _compare_sample(session, comparisons, [rule for rule, _, _ in blocks], fields.num_rows)
    estimates = estimate(
        comparisons,
        strangers=patterns[STRANGERS],
        neighbours=patterns[NEIGHBOURS],
        housemates=patterns[HOUSEMATES],
        blocks=[Block(rule, patterns[rule], unused, unjudged) for rule, unused, unjudged in blocks],
        candidates=sample.patterns,
        candidate_share=sample.share,
        entities=fields.num_rows,
    )
    model = settings(comparisons, estimates)
    frequencies = count_frequencies(session, model)
    rules = choose_rules(session, sample, model, frequencies)
    caps = {row["rule"]: int(row["cap"]) for row in offered.to_pylist() if row["rule"] in rules}
    candidates = sample.of(rules)
    profile = FieldProfile(
        coverage, level_shares(candidates, comparisons), candidates.total() / sample.share / fields.num_rows
    )
    return MatchingModel(
        version=version_of(model, caps, frequencies),
        trained_at=now,
        entities=fields.num_rows,
        settings=model,
        caps=caps,
        household_keys=household,
        guarded_keys=guarded,
        habits=habits,
        profile=profile,
        matches=estimates.matches,
        frequencies=frequencies,
    )


def _told_once(fields: pa.Table, config: IdentityConfig) -> list[str]:
    """The namespaces that are compared: dates are left out where the profiles have birth dates.

    They are the same dates, and would count twice.
    """
    births = fields.num_rows - fields["birth"].null_count
    known = births >= LEAST_COVERAGE * fields.num_rows
    return sorted(name for name, rule in config.namespaces.items() if not (known and rule.normalise == "date"))


def _training_blocks(
    comparisons: Sequence[Comparison], namespaces: Sequence[str], shared_keys: frozenset[str]
) -> list[tuple[str, frozenset[str], frozenset[str]]]:
    """The rules of blocks, with the comparisons that are not looked at and those that do not judge.

    Where neither given names nor birth dates are compared, as with companies, nothing tells a household's members
    apart, and nothing is taken for theirs.
    """
    persons = any(comparison.name in ("given", "birth") for comparison in comparisons)
    shared = frozenset(comparison.name for comparison in comparisons if comparison.of_household and persons)
    rules = [*_BLOCKS, *((f"key {name}", frozenset({key_column(name)})) for name in namespaces)]
    meeting = _OF_HOUSEHOLDS | {f"key {name}" for name in namespaces if key_column(name) in shared_keys}
    return [(rule, unused, shared if rule in meeting else frozenset()) for rule, unused in rules]


def _offer_rules(session: Session, entities: int) -> pa.Table:
    """The rules that may be of use, with the cap of their blocks and how many pairs these bring (``caps.sql``)."""
    limits = {"largest": _LARGEST_BLOCK, "pairs": _PAIRS_PER_ENTITY * entities}
    return session.query(sql_text(__package__, "caps.sql"), limits)


def _compare_sample(
    session: Session, comparisons: Sequence[Comparison], rules: Sequence[str], entities: int
) -> dict[str, Patterns]:
    """The patterns of every kind of pairs that ``training_pairs.sql`` offers; kinds without pairs are empty.

    Of neighbours a sample is drawn by a hash of the two, so that the same entities give the same pairs.
    """
    session.keep("drawn", _draw_strangers(entities))
    session.keep("rules", pa.table({"rule": pa.array(rules, pa.string())}))
    session.keep("limits", pa.table({"sample": [_SAMPLE], "largest": [_TRAINING_CAP]}))
    session.make("members", sql_text(__package__, "training_members.sql"))
    place = "SELECT unique_id, family, (hash(unique_id) >> 1)::BIGINT AS place FROM fields"
    session.make_in_parts("shuffled", place, "fields")
    session.define("offered", sql_text(__package__, "training_pairs.sql"))
    session.make_in_parts(
        "training_pairs",
        "SELECT join_key_l, join_key_r, match_key FROM offered WHERE hash(join_key_l, join_key_r) % 1000000 <"
        " CASE match_key WHEN 'neighbours' THEN $neighbours ELSE 1000000 END",
        "offered",
        {"neighbours": 1e6 * _SAMPLE / (3 * entities + 1)},
    )
    nothing = Patterns(np.empty((0, len(comparisons)), np.int64), np.empty(0))
    found = patterns_of(count_levels(session, untrained(comparisons), "training_pairs"), comparisons)
    return {kind: found.get(kind, nothing) for kind in (*rules, STRANGERS, NEIGHBOURS, HOUSEMATES)}


def _draw_strangers(entities: int) -> pa.Table:
    """Random pairs: all there are where they are few."""
    wanted = min(max(_STRANGERS_PER_ENTITY * entities, _STRANGERS[0]), _STRANGERS[1])
    if entities * (entities - 1) // 2 <= wanted:
        left, right = np.triu_indices(entities, 1)
    else:
        drawn = np.random.default_rng(_SEED).integers(0, entities, (2, wanted))
        drawn = drawn[:, drawn[0] != drawn[1]]
        left, right = drawn.min(axis=0), drawn.max(axis=0)
    return pa.table({"join_key_l": left, "join_key_r": right})
