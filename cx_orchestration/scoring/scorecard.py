"""The one-page scorecard that people look at when they decide (S3 to S6, C3): one HTML file that needs no network.

Belongs here: what the page says, from the plan. Does not belong here: its looks (``scorecard.html``,
``scorecard.css``), or any number that is not already in the plan.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cx_orchestration.model.inventory import FIELD_BY_HEADER, HEADERS
from cx_orchestration.model.scoring import Disposition, Strategy
from cx_orchestration.scoring.plan import Plan
from cx_orchestration.scoring.quadrant import quadrant_context
from cx_orchestration.scoring.templates import render, words

_STRATEGY = {
    Strategy.HIGHEST_IMPACT_FIRST: "Highest impact and least complexity first",
    Strategy.LOWEST_IMPACT_FIRST: "Lowest impact and highest complexity first",
}
_STATUS = {
    "approved": "Approved",
    "proposed": "Waits for a decision",
    "undeclared": "Approved, not declared",
    "later": "Later",
    "not_integrated": "Not integrated",
}


@dataclass(frozen=True)
class _Flips:
    """What one change of one weight flips, in words."""

    dimension: str
    change: str
    dispositions: list[str]
    ranks: list[str]


def render_scorecard(
    plan: Plan, overlap: pd.DataFrame, sensitivity: pd.DataFrame, *, project_name: str, as_of: dt.date
) -> str:
    """The page as HTML. ``overlap`` and ``sensitivity`` are rows of the tables of those names.

    It holds the names of those who decided: it is a document for the company's own people.
    """
    flips = _flips(plan, sensitivity)
    flipping = sensitivity.loc[sensitivity["what"] == "disposition", "service"].nunique()
    by_function = overlap.sort_values(["business_function", "impact_score", "service"], ascending=[True, False, True])
    functions = {
        str(name): group.to_dict("records") for name, group in by_function.groupby("business_function", sort=False)
    }
    return render(
        "scorecard.html",
        **quadrant_context(plan),
        standalone=False,
        project_name=project_name,
        as_of=as_of,
        strategy=_STRATEGY[plan.strategy],
        headline=_headline(plan),
        figures=[
            (len(plan.rows), "services in the inventory"),
            (len(plan.approved()), "approved for integration"),
            (sum(row.status == "proposed" for row in plan.rows), "wait for a decision"),
            (len(functions), "functions served twice or more"),
            (flipping, "proposals that flip when a weight moves by 10%"),
        ],
        legend=[each for each in Disposition if any(row.disposition == each for row in plan.rows)],
        rows=plan.rows,
        names=plan.names,
        statuses=_STATUS,
        decisions=plan.decisions,
        proposals={proposal.service: proposal for proposal in plan.proposals},
        functions=functions,
        flips=flips,
        scores=_parts(plan),
        formula=words(plan.config.formula).lower(),
    )


def _headline(plan: Plan) -> str:
    approved = plan.approved()
    waiting = sum(row.status == "proposed" for row in plan.rows)
    if not approved:
        start = "No service is approved for integration yet."
    elif len(approved) == 1:
        start = f"{plan.names[approved[0]]} is approved for integration."
    else:
        start = f"{len(approved)} services are approved for integration; {plan.names[approved[0]]} comes first."
    if not waiting:
        return start
    return f"{start} {waiting} {'waits' if waiting == 1 else 'wait'} for a decision, and nothing happens until then."


def _flips(plan: Plan, sensitivity: pd.DataFrame) -> list[_Flips]:
    flips = []
    places = {name: place for place, name in enumerate(plan.config.dimensions)}
    ordered = sensitivity.assign(place=sensitivity["dimension"].map(places)).sort_values(["place", "change", "service"])
    for (dimension, change), group in ordered.groupby(["dimension", "change"], sort=False):
        records = group.to_dict("records")
        flips.append(
            _Flips(
                dimension=words(str(dimension)),
                change=str(change),
                dispositions=[
                    f"{plan.names[str(flip['service'])]}: {words(str(flip['before'])).lower()} becomes "
                    f"{words(str(flip['after'])).lower()}"
                    for flip in records
                    if flip["what"] == "disposition"
                ],
                ranks=[
                    f"{plan.names[str(flip['service'])]} {flip['before']} → {flip['after']}"
                    for flip in records
                    if flip["what"] == "rank"
                ],
            )
        )
    return flips


def _parts(plan: Plan) -> list[dict[str, Any]]:
    """For each score: its dimensions with their part of the weight, and each service's values and shares."""
    records = {str(record["service"]): record for record in plan.scores.to_dict("records")}
    parts = []
    for score in ("impact", "complexity"):
        dimensions = {name: each for name, each in plan.config.dimensions.items() if each.score == score}
        total = sum(each.weight for each in dimensions.values())
        parts.append(
            {
                "name": score,
                "dimensions": [
                    {
                        "title": words(name),
                        "column": HEADERS.get(FIELD_BY_HEADER.get(each.column, each.column), each.column),
                        "weight": 100 * each.weight / total,
                    }
                    for name, each in dimensions.items()
                ],
                "services": {
                    row.service: [
                        (records[row.service][f"{name}_value"], records[row.service][f"{name}_share"])
                        for name in dimensions
                    ]
                    for row in plan.rows
                },
            }
        )
    return parts
