"""Business functions that several services serve, those services side by side with their scores (C3).

Belongs here: the comparison. Does not belong here: how scores and dispositions come about.
"""

from collections.abc import Iterable

import pandas as pd

from cx_orchestration.model import tables
from cx_orchestration.model.inventory import BusinessImpact, InventoryRow, function_key

_STRONGEST_FIRST = list(BusinessImpact)


def overlap(rows: Iterable[InventoryRow], scored: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``tables.OVERLAP``: each service of each business function that at least two services serve.

    ``scored`` has one row per service with ``service``, ``impact_score``, ``complexity_score`` and ``disposition``
    (the reviewed one, or as long as there is none the proposed one). Business functions are the same when their words
    are, whatever the case and punctuation; the first spelling in alphabetical order is shown. ``business_impact`` and
    ``customers_per_year`` are the strongest that any team named for this function. Functions are in alphabetical order,
    their services by impact score, highest first.
    """
    functions: dict[str, dict[str, list[InventoryRow]]] = {}
    for row in rows:
        functions.setdefault(function_key(row.business_function), {}).setdefault(row.service, []).append(row)
    scores = {record["service"]: record for record in scored.to_dict("records")}
    records = []
    for function in sorted(functions):
        services = functions[function]
        if len(services) < 2:
            continue
        spelling = min(row.business_function for found in services.values() for row in found)
        for service in sorted(services, key=lambda name: (-float(scores[name]["impact_score"]), name)):
            found = services[service]
            records.append(
                {
                    "business_function": spelling,
                    "service": service,
                    "impact_score": scores[service]["impact_score"],
                    "complexity_score": scores[service]["complexity_score"],
                    "disposition": scores[service]["disposition"],
                    "teams": ", ".join(sorted({row.team for row in found})),
                    "business_impact": min((row.business_impact for row in found), key=_STRONGEST_FIRST.index).value,
                    "customers_per_year": max(row.customers_per_year for row in found),
                }
            )
    return pd.DataFrame.from_records(records, columns=tables.OVERLAP.schema.names)
