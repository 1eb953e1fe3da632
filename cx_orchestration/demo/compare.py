"""Results against the truth: were the right records put together, and were the planted findings found?

Belongs here: comparing. Does not belong here: the truth itself (``truth``).
"""

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from cx_orchestration.demo.truth import PlantedFinding, Truth


@dataclass(frozen=True)
class IdentityComparison:
    """How well entities were put together, by pairs of entities of one person.

    ``precision`` is the share of pairs in one customer that are one person, ``recall`` the share of pairs of one person
    that are in one customer, ``f1`` their harmonic mean; each is 1 where there is no pair to judge. ``entities`` counts
    what the truth knows, ``absent`` those of them that the identity map lacks, ``unknown`` those of the map that the
    truth does not know.
    """

    precision: float
    recall: float
    f1: float
    entities: int
    absent: int
    unknown: int
    customers: int
    people: int


def compare_identity(identity_map: pa.Table | pd.DataFrame, truth: Truth) -> IdentityComparison:
    """Compare an identity map (service, entity, customer_id) with who is who."""
    resolved = identity_map.to_pandas() if isinstance(identity_map, pa.Table) else identity_map
    joined = truth.who.merge(resolved[["service", "entity", "customer_id"]], on=["service", "entity"], how="left")
    known = joined.dropna(subset="customer_id")
    together = _pairs(known.groupby("customer_id").size())
    same_person = _pairs(joined.groupby("person").size())
    right = _pairs(known.groupby(["customer_id", "person"]).size())
    precision = right / together if together else 1.0
    recall = right / same_person if same_person else 1.0
    return IdentityComparison(
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        entities=len(truth.who),
        absent=len(joined) - len(known),
        unknown=len(resolved) - len(known),
        customers=int(known["customer_id"].nunique()),
        people=int(truth.who["person"].nunique()),
    )


def _pairs(sizes: "pd.Series[int]") -> int:
    return int((sizes * (sizes - 1) // 2).sum())


@dataclass(frozen=True)
class FindingsComparison:
    """What became of the planted findings, and what else was found.

    ``consequences`` are findings that are true because of something planted: Android customers who give up at the
    checkout do not need support afterwards. ``unplanted`` are findings that nothing planted explains. Both have the
    columns analysis, step, segment, segment_value.
    """

    found: tuple[PlantedFinding, ...]
    missed: tuple[PlantedFinding, ...]
    consequences: pd.DataFrame
    unplanted: pd.DataFrame


_KEY = ["analysis", "step", "segment", "segment_value"]


def compare_findings(findings: pd.DataFrame, truth: Truth) -> FindingsComparison:
    """Compare findings (analysis, step, segment, segment_value) with what was planted.

    Rows whose ``is_finding``, if there is such a column, is false are candidates only and do not count. ``analysis`` is
    the name of the table under ``exploration/``; ``step`` is empty or null for findings about the whole journey.
    """
    rows = findings[findings["is_finding"].astype(bool)] if "is_finding" in findings.columns else findings
    rows = rows[_KEY].astype(object).where(rows[_KEY].notna(), "").reset_index(drop=True)
    found = {planted.id for planted in truth.planted for row in rows.itertuples(index=False) if _is(planted, row)}
    kinds = pd.Series([_kind(row, truth) for row in rows.itertuples(index=False)], dtype=object)
    return FindingsComparison(
        found=tuple(planted for planted in truth.planted if planted.id in found),
        missed=tuple(planted for planted in truth.planted if planted.id not in found),
        consequences=rows[kinds == "consequence"].reset_index(drop=True),
        unplanted=rows[kinds == "unplanted"].reset_index(drop=True),
    )


def _kind(row: tuple[str, str, str, str], truth: Truth) -> str:
    if any(_is(planted, row) for planted in truth.planted):
        return "planted"
    analysis, _, segment, _ = row
    follows = any(
        consequence.analysis == analysis and consequence.segment == segment
        for planted in truth.planted
        for consequence in planted.consequences
    )
    return "consequence" if follows else "unplanted"


def _is(planted: PlantedFinding, row: tuple[str, str, str, str]) -> bool:
    analysis, step, segment, value = row
    return (planted.analysis, planted.segment, planted.value) == (analysis, segment, value) and (
        planted.step is None or planted.step == step
    )
