"""Rules: what a search on half of the customers proposes, and who fits it."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa

from cx_orchestration.exploration.rules import Condition, Rule, find_rules, with_rules
from cx_orchestration.storage.engine import Engine

SIZE = 4000


def known(seed: int, *, bad=None, size: int = SIZE) -> pd.DataFrame:
    """Customers with three attributes at random; ``bad(device, region)`` says who fares worse."""
    rng = np.random.default_rng(seed)
    traits = {
        "device": rng.choice(["android", "desktop", "ios"], size),
        "region": rng.choice(["north", "south", "west"], size),
        "sex": rng.choice(["f", "m"], size),
    }
    share = np.full(size, 0.3) if bad is None else np.where(bad(traits["device"], traits["region"]), 0.7, 0.3)
    wide = pd.DataFrame({"customer_id": [f"c{n}" for n in range(size)], "outcome": 1.0 * (rng.random(size) < share)})
    parts = [wide.assign(segment=name, segment_value=values) for name, values in traits.items()]
    return pd.concat(parts, ignore_index=True)


def search(rows: pd.DataFrame, *, side="more") -> list[tuple[str, str]]:
    return [(rule.segment, rule.value) for rule in find_rules(rows, side=side, least=30, min_effect=0.05)]


def test_the_strongest_rule_is_what_two_attributes_do_together():
    rows = known(1, bad=lambda device, region: (device == "ios") & (region == "south"))
    assert search(rows)[0] == ("device & region", "ios & south")


def test_the_other_side_is_searched_alike():
    rows = known(1, bad=lambda device, region: ~((device == "ios") & (region == "south")))
    assert search(rows, side="less")[0] == ("device & region", "ios & south")


def test_what_one_attribute_explains_is_seldom_narrowed():
    """Chance: a last condition must part its customers at p <= 0.05."""
    rules = [search(known(seed, bad=lambda device, _: device == "ios")) for seed in range(20)]
    assert sum(map(len, rules)) <= 12


def test_of_two_values_the_other_is_named_instead_of_not_the_one():
    rows = known(2)
    bad = rows.pivot(index="customer_id", columns="segment", values="segment_value")
    worse = ((bad["sex"] == "f") & (bad["device"] != "ios")).rename("worse")
    rng = np.random.default_rng(3)
    hit = pd.Series(rng.random(len(worse)) < np.where(worse, 0.7, 0.3), worse.index)
    rows["outcome"] = rows["customer_id"].map(hit).astype(float)
    assert search(rows)[0] == ("device & sex", "not ios & f")


def test_without_anything_to_tell_apart_there_is_no_rule():
    rows = known(1)
    assert search(rows.assign(outcome=1.0)) == []
    assert search(rows[rows["segment"] == "sex"]) == []


def test_words_of_a_rule_follow_its_attributes():
    rule = Rule(
        (Condition("region", "west", wanted=False), Condition("device", "ios", True), Condition("region", "a", False))
    )
    assert (rule.segment, rule.value) == ("device & region", "ios & not a and not west")


def test_of_many_customers_some_are_searched_and_all_others_count():
    rows = known(1, bad=lambda device, region: (device == "ios") & (region == "south"), size=8000)
    rows = rows.assign(journey="j", step="s")
    candidates = with_rules(
        Engine(),
        pa.Table.from_pandas(rows.drop(columns="outcome"), preserve_index=False),
        pa.Table.from_pandas(rows.drop(columns=["segment", "segment_value"]).drop_duplicates(), preserve_index=False),
        side="more",
        least=30,
        most_searched=1000,
    ).to_pandas()
    rule = candidates[candidates["rule"] == "ios & south"]
    digests = [int(hashlib.md5(customer.encode()).hexdigest()[:8], 16) for customer in rule["customer_id"]]
    assert (rule["counts"] == [int(digest >= 2**32 / 8) for digest in digests]).all()
    assert 900 < (rule["counts"] == 0).sum() < 1100


def test_rules_are_the_same_whoever_is_not_searched():
    rows = known(1, bad=lambda device, region: (device == "ios") & (region == "south"), size=8000)
    rows = rows.assign(journey="j", step="s")

    def rules(outcome: pd.Series) -> set[str]:
        told = rows.assign(outcome=outcome)
        found = with_rules(
            Engine(),
            pa.Table.from_pandas(rows.drop(columns="outcome"), preserve_index=False),
            pa.Table.from_pandas(
                told.drop(columns=["segment", "segment_value"]).drop_duplicates(), preserve_index=False
            ),
            side="more",
            least=30,
            most_searched=1000,
        )
        return set(found["rule"].to_pylist())

    digests = rows["customer_id"].map(lambda customer: int(hashlib.md5(customer.encode()).hexdigest()[:8], 16))
    assert rules(rows["outcome"]) == rules(rows["outcome"].where(digests < 2**32 / 8, 1 - rows["outcome"]))


def test_the_half_that_found_a_rule_does_not_count_in_its_test():
    rows = known(1, bad=lambda device, region: (device == "ios") & (region == "south"), size=8000)
    rows = rows.assign(journey="j", step="s")
    unknown = (rows["customer_id"] == "c1") & (rows["segment"] == "region")
    clusters = rows[~unknown][["journey", "step", "customer_id", "segment", "segment_value"]]
    outcomes = rows[["journey", "step", "customer_id", "outcome"]].drop_duplicates()
    candidates = with_rules(
        Engine(),
        pa.Table.from_pandas(clusters, preserve_index=False),
        pa.Table.from_pandas(outcomes, preserve_index=False),
        side="more",
        least=30,
    ).to_pandas()
    rule = candidates[candidates["rule"] == "ios & south"].set_index("customer_id")
    assert "c1" not in rule.index and len(rule) == 7999
    traits = clusters.pivot(index="customer_id", columns="segment", values="segment_value").loc[rule.index]
    fits = (traits["device"] == "ios") & (traits["region"] == "south")
    assert (rule["segment_value"] == np.where(fits, "ios & south", "")).all()
    searched = [hashlib.md5(customer.encode()).hexdigest()[0] < "8" for customer in rule.index]
    assert (rule["counts"] == np.where(searched, 0, 1)).all()
    assert (candidates[candidates["rule"] == ""]["counts"] == 1).all()
