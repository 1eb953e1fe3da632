"""What the checks of links and the identity map say: warnings with numbers that Dagster plots from run to run.

Belongs here: the scorecard's alarms and decisions without effect as check results. Does not belong here: counting
(``identity.quality``), stopping a map from being published.
"""

from collections.abc import Sequence

import dagster as dg

from cx_orchestration.assets.edge import NOTE
from cx_orchestration.identity.overrides import UnknownRecord, of_no_effect
from cx_orchestration.identity.quality import IdentityQuality
from cx_orchestration.model.identity import Alarms

_CHECKS = {
    "no_service_is_a_silo": "Warns of services none of whose customers is known to another service.",
    "keys_are_readable": "Warns when a service gives a key of which too few values are usable.",
    "no_customer_looks_merged_by_mistake": "Warns of customers with very many records or values of one key.",
    "no_entity_contradicts_itself": "Warns of customers of one service that have two values of a key of one person.",
}
IDENTITY_CHECKS = [
    dg.AssetCheckSpec(name, asset=["identity", "identity_map"], description=description)
    for name, description in _CHECKS.items()
]

KNOWN_RECORDS = dg.AssetCheckSpec(
    "decisions_name_known_records",
    asset=["identity", "links"],
    description="Warns of decisions in identity_overrides.yaml about records that there are not: they have no effect.",
)


def decisions_check_result(unknown: Sequence[UnknownRecord]) -> dg.AssetCheckResult:
    """The result of ``KNOWN_RECORDS``, with the places in the file; it stops nothing, as records may come later."""
    facts: dict[str, int | str] = {"decisions_without_effect": len({each.decision for each in unknown})}
    if unknown:
        facts[NOTE] = of_no_effect(unknown)
    return dg.AssetCheckResult(
        check_name=KNOWN_RECORDS.name, passed=not unknown, severity=dg.AssetCheckSeverity.WARN, metadata=facts
    )


def identity_check_results(quality: IdentityQuality, alarms: Alarms) -> list[dg.AssetCheckResult]:
    """One result for each of ``IDENTITY_CHECKS``; none of them stops anything."""
    merged = quality.largest_cluster <= alarms.largest_cluster and quality.widest_spread <= alarms.most_values
    found: dict[str, tuple[bool, dict[str, int | float | str]]] = {
        "no_service_is_a_silo": (
            not quality.silos,
            {"silos": ", ".join(quality.silos), "services_apart": len(quality.silos)},
        ),
        "keys_are_readable": (
            quality.worst_validity >= alarms.validity,
            {"worst_validity": quality.worst_validity, "least": alarms.validity},
        ),
        "no_customer_looks_merged_by_mistake": (
            merged,
            {"largest_cluster": quality.largest_cluster, "most_values_of_one_key": quality.widest_spread},
        ),
        "no_entity_contradicts_itself": (quality.conflicts == 0, {"entities": quality.conflicts}),
    }
    return [
        dg.AssetCheckResult(check_name=name, passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=facts)
        for name, (passed, facts) in found.items()
    ]
