"""Rules of blocks whose pairs are hardly ever one person are left out, and nobody is lost with them."""

import pyarrow as pa

from cx_orchestration.identity.matching.fields import Fields
from cx_orchestration.identity.matching.model import MatchingModel
from cx_orchestration.identity.matching.pairs import find_candidates, workspace
from cx_orchestration.identity.matching.rules import choose_rules, count_matches, fruitful_rules, sample_rules
from cx_orchestration.storage.engine import Engine

BITS = {"email": 1, "given": 2, "name": 4, "street": 8}


def found(*rows: tuple[int, int, float]) -> pa.Table:
    return pa.table(dict(zip(("found_by", "pairs", "matches"), map(pa.array, zip(*rows, strict=True)), strict=True)))


def test_rule_that_finds_hardly_anybody_whom_no_other_finds_is_left_out() -> None:
    pairs = found((1 | 2 | 4 | 8, 10_000, 9_900.0), (2, 500_000, 3.0), (8, 400, 200.0), (1, 300, 250.0), (4, 90, 20.0))
    assert fruitful_rules(BITS, pairs) == ["email", "name", "street"]


def test_rule_is_judged_by_what_those_that_were_left_out_do_not_find_either() -> None:
    either = found((1 | 4, 10_000, 9_900.0), (2, 300_000, 0.5), (8, 400_000, 0.1), (2 | 8, 50_000, 45_000.0))
    assert fruitful_rules(BITS, either) == ["email", "given", "name"]


def test_rule_that_brings_no_pair_of_its_own_stays() -> None:
    narrow = found((1 | 4, 10_000, 9_900.0), (2 | 8, 300_000, 200.0), (2, 100_000, 60.0))
    assert fruitful_rules(BITS, narrow) == ["email", "given", "name", "street"]


def test_rules_that_are_left_out_lose_few_matches_together() -> None:
    many = found((1, 10_000, 9_975.0), (2, 100_000, 11.0), (4, 100_000, 12.0), (8, 20_000, 9.0))
    assert fruitful_rules(BITS, many) == ["email", "name", "street"]


def test_more_rules_than_there_are_bits_are_told_apart_as_far_as_they_can_be(
    engine: Engine, fields: Fields, model: MatchingModel
) -> None:
    many = [f"a rule {place:02}" for place in range(60)] + list(model.caps)
    caps = pa.table({"rule": many, "cap": [0] * 60 + list(model.caps.values()), "pairs": [1] * len(many)})
    with workspace(engine, fields.rows, model.namespaces) as session:
        sample = sample_rules(session, model.comparisons, caps)
        assert sample.of(many).total() == sample.pairs == find_candidates(session, model.caps)
        kept = fruitful_rules(sample.bits, count_matches(session, model.settings, model.frequencies))
    last = many[62:]
    assert kept[-len(last) :] == last
    assert len({sample.bits[rule] for rule in last}) == 1


def test_sample_of_everything_has_each_pair_under_all_rules_that_find_it(
    engine: Engine, fields: Fields, model: MatchingModel
) -> None:
    caps = pa.table({"rule": list(model.caps), "cap": list(model.caps.values()), "pairs": [1] * len(model.caps)})
    with workspace(engine, fields.rows, model.namespaces) as session:
        sample = sample_rules(session, model.comparisons, caps)
        matches = count_matches(session, model.settings, model.frequencies)
        for rules in (list(model.caps), ["birth"], ["birth", "key email"], ["family", "given", "given family"]):
            pairs = find_candidates(session, {rule: model.caps[rule] for rule in rules})
            assert sample.of(rules).total() == pairs > 0

        assert choose_rules(session, sample, model.settings, model.frequencies) == list(model.caps)
    assert sample.share == 1.0
    assert sum(matches["pairs"].to_pylist()) == sample.pairs
    assert 200 < sum(matches["matches"].to_pylist()) < 230  # 210 persons are there twice
