"""Which dispositions and ranks flip when a weight moves by ten percent (S5).

Belongs here: the perturbation and the comparison. Does not belong here: scores, bands, order.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from cx_orchestration.model import tables
from cx_orchestration.model.inventory import InventoryRow
from cx_orchestration.model.scoring import Decisions, ScoringConfig, Strategy
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.scoring.plan import Plan, build_plan

CHANGES = {"weight -10%": 0.9, "weight +10%": 1.1}


def sensitivity(
    rows: Sequence[InventoryRow],
    config: ScoringConfig,
    decisions: Decisions,
    declared: Mapping[str, ServiceDeclaration],
    strategy: Strategy,
) -> pd.DataFrame:
    """Rows of ``tables.SENSITIVITY``: each flip, by dimension, change, what flips and service.

    One weight moves at a time, the others stay. ``what`` is ``disposition`` (the proposed one: a decision of people
    does not flip) or ``rank`` (the place in the plan, decisions included). No rows: the plan does not hang on any one
    weight.
    """
    base = build_plan(rows, config, decisions, declared, strategy)
    records = []
    for name, dimension in config.dimensions.items():
        for change, factor in CHANGES.items():
            moved = dimension.model_copy(update={"weight": dimension.weight * factor})
            other = config.model_copy(update={"dimensions": {**config.dimensions, name: moved}})
            plan = build_plan(rows, other, decisions, declared, strategy)
            for what, before, after in (
                ("disposition", _dispositions(base), _dispositions(plan)),
                ("rank", _ranks(base), _ranks(plan)),
            ):
                records += [
                    {
                        "service": service,
                        "dimension": name,
                        "change": change,
                        "what": what,
                        "before": before[service],
                        "after": after[service],
                    }
                    for service in sorted(before)
                    if before[service] != after[service]
                ]
    return pd.DataFrame.from_records(records, columns=tables.SENSITIVITY.schema.names)


def _dispositions(plan: Plan) -> dict[str, str]:
    return {proposal.service: proposal.disposition.value for proposal in plan.proposals}


def _ranks(plan: Plan) -> dict[str, str]:
    return {row.service: str(row.rank) for row in plan.rows}
