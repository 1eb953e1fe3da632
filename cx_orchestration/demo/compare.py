"""Findings against the truth: were the planted ones found, and is anything found that nothing planted explains?

Belongs here: comparing. Does not belong here: the truth itself (``truth``), who is who (``identity.labels``).
"""

from dataclasses import dataclass

import pandas as pd

from cx_orchestration.demo.truth import PlantedFinding, Truth


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
