"""Which candidates are findings, given what a second look at them shows."""

import pandas as pd
import pytest

from cx_orchestration.exploration.findings import KEY, finding_id, judge
from cx_orchestration.model import tables

NULL = 0.9


def candidates(**p_values: float | tuple[float, float]) -> pd.DataFrame:
    """One row a name, with its p-value and, where there are two, that of the other direction."""
    rows = []
    for name, given in p_values.items():
        p_value, contrary = given if isinstance(given, tuple) else (given, 1.0)
        effect = 0.2 if p_value < contrary else -0.2
        rows.append(["j", "s", "attribute", name, effect, p_value, contrary])
    return pd.DataFrame(rows, columns=[*KEY, "effect", "p_value", "p_contrary"])


def judged(found: pd.DataFrame, explained: dict[str, dict[str, float]] | None = None) -> pd.DataFrame:
    """Judge at a level of 0.01; ``explained`` gives the p-values that are left once a name is set aside."""

    def look_again(taken: pd.DataFrame) -> pd.DataFrame:
        again = found.copy()
        for name in taken["segment_value"]:
            for other, p_value in (explained or {}).get(name, {}).items():
                again.loc[again["segment_value"] == other, "p_value"] = p_value
        return again

    result = judge(found, error_rate=0.05, is_worth_it=lambda rows: rows["effect"] >= 0.1, look_again=look_again)
    return result.set_index("segment_value")


def test_the_strongest_explains_its_shadows_and_leaves_the_rest():
    result = judged(candidates(noise=NULL, shadow=1e-5, cause=1e-9, other=1e-4), {"cause": {"shadow": 0.3}})
    assert result.index[result["is_finding"]].tolist() == ["cause", "other"]
    assert result["shadow_of"].dropna().to_dict() == {"shadow": 2}


def test_a_strikingly_better_cluster_explains_the_others_but_is_no_finding():
    found = candidates(better=(NULL, 1e-9), rest=1e-4)
    result = judged(found, {"better": {"rest": 0.2}})
    assert not result["is_finding"].any()
    assert result["shadow_of"].dropna().to_dict() == {"rest": 0}
    assert judged(found)["is_finding"].to_dict() == {"better": False, "rest": True}


def test_of_two_complementary_values_the_worse_one_is_the_finding():
    result = judged(candidates(better=(1.0, 1e-6), worse=(1e-6, 1.0)))
    assert result["is_finding"].to_dict() == {"better": False, "worse": True}


def test_shadows_give_chance_no_credit():
    """Five significant candidates raise the limit for the sixth; when four of them are shadows, it falls again."""
    crowd = {f"shadow{n}": 1e-6 for n in range(4)} | {f"noise{n}": NULL for n in range(4)}
    found = candidates(cause=1e-9, lucky=0.004, **crowd)
    alone = judged(found)
    assert alone.loc["lucky", "is_finding"]
    result = judged(found, {"cause": {f"shadow{n}": 0.5 for n in range(4)}})
    assert result.index[result["is_finding"]].tolist() == ["cause"]
    assert result.loc["lucky", "p_adjusted"] == pytest.approx(0.004 * 10 / 2)


def test_a_significant_effect_too_small_to_matter_is_no_finding():
    found = candidates(small=1e-9).assign(effect=0.05)
    assert not judged(found)["is_finding"].any()


def test_no_candidates_give_no_findings():
    assert len(judged(candidates())) == 0


def test_ids_depend_on_what_is_compared_only():
    key = ("j", "s", "device", "ios")
    assert finding_id(tables.SUPPORT_SHIFTS, *key) == finding_id(tables.SUPPORT_SHIFTS, *key)
    others = {
        finding_id(tables.ABANDONMENT_HOTSPOTS, *key),
        finding_id(tables.SUPPORT_SHIFTS, "j", "", "device", "ios"),
    }
    assert len(others | {finding_id(tables.SUPPORT_SHIFTS, *key)}) == 3
