"""What the checks of the identity map say: warnings with numbers that Dagster plots from run to run.

Belongs here: the scorecard's alarms as check results. Does not belong here: counting (``identity.quality``), stopping a
map from being published.
"""

import dagster as dg

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
