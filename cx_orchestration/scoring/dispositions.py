"""What the scores propose for each service: bands over both scores, then the rules that no band overrules (S3).

Belongs here: the proposal and its reason. Does not belong here: what people decide (``plan.py``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.inventory import (
    BusinessImpact,
    IntegrationProfile,
    InventoryRow,
    ProductDependency,
    function_key,
    services_by_function,
)
from cx_orchestration.model.scoring import Band, Disposition, ScoringConfig
from cx_orchestration.model.service import ServiceDeclaration


@dataclass(frozen=True)
class Proposal:
    """A service's proposed disposition, and ``why`` in one or two sentences."""

    service: str
    disposition: Disposition
    why: str


def propose(
    rows: Sequence[InventoryRow],
    scores: pd.DataFrame,
    config: ScoringConfig,
    declared: Mapping[str, ServiceDeclaration],
) -> list[Proposal]:
    """One proposal per service of ``scores`` (as ``scores.score`` gives them), in its order.

    The first band that holds both scores gives the disposition, unless one of these rules says otherwise:

    - A service that every row calls Redundant and whose business function another service serves too is retired, if
      nothing of the product depends on it (Uncoupled in every row) and each of its functions has a service that is not
      redundant; otherwise it is consolidated.
    - A service that any row calls Inaccessible is not integrated but integrated later, unless a file drop is declared
      for it.
    """
    services: dict[str, list[InventoryRow]] = {}
    for row in rows:
        services.setdefault(row.service, []).append(row)
    peers = _Peers(rows)
    return [
        _proposal(
            str(record["service"]),
            services[str(record["service"])],
            float(record["impact_score"]),
            float(record["complexity_score"]),
            config.bands,
            peers,
            declared,
        )
        for record in scores.to_dict("records")
    ]


def is_inaccessible(rows: Sequence[InventoryRow]) -> bool:
    """Whether any of a service's rows says that its data cannot be reached."""
    return any(row.integration_profile == IntegrationProfile.INACCESSIBLE for row in rows)


def has_file_drop(declaration: ServiceDeclaration | None) -> bool:
    """Whether the data of a service comes in as files that somebody places."""
    return declaration is not None and declaration.kind == "files"


class _Peers:
    """Who else serves the functions of a service."""

    def __init__(self, rows: Sequence[InventoryRow]) -> None:
        self._by_function = services_by_function(rows)
        self._needed = {row.service for row in rows if row.business_impact != BusinessImpact.REDUNDANT}
        self._names = {row.service: row.system for row in rows}
        self._spelling: dict[str, str] = {}
        for row in rows:
            key = function_key(row.business_function)
            self._spelling[key] = min(self._spelling.get(key, row.business_function), row.business_function)

    def redundant(self, service: str) -> bool:
        return service not in self._needed

    def names(self, services: Sequence[str]) -> str:
        return " and ".join(self._names[service] for service in services)

    def others(self, rows: Sequence[InventoryRow]) -> dict[str, list[str]]:
        """For each function of the rows, as it is spelt, the other services that serve it."""
        keys = sorted({function_key(row.business_function) for row in rows})
        return {
            self._spelling[key]: [name for name in self._by_function[key] if name != rows[0].service] for key in keys
        }


def _proposal(
    service: str,
    rows: Sequence[InventoryRow],
    impact: float,
    complexity: float,
    bands: Sequence[Band],
    peers: _Peers,
    declared: Mapping[str, ServiceDeclaration],
) -> Proposal:
    others = peers.others(rows)
    if peers.redundant(service) and any(others.values()):
        return _of_redundant(service, rows, others, peers)
    number, band = next(
        ((n, band) for n, band in enumerate(bands, 1) if band.holds(impact, complexity)),
        (0, None),
    )
    if band is None:
        raise PermanentFailure(
            f"scoring.yaml: no band holds {service} with impact {impact:g} and complexity {complexity:g}; "
            "add a last band without bounds"
        )
    scored = f"Impact {impact:.1f} and complexity {complexity:.1f} lie in band {number} ({band})"
    if band.disposition == Disposition.INTEGRATE and is_inaccessible(rows):
        if has_file_drop(declared.get(service)):
            return Proposal(
                service, band.disposition, f"{scored}. The system is inaccessible, but a file drop is declared for it."
            )
        return Proposal(
            service,
            Disposition.INTEGRATE_LATER,
            f"{scored}, which would be {band.disposition}, but the system is inaccessible. A file drop is the way in: "
            f"declare services/{service}.yaml with kind: files.",
        )
    return Proposal(service, band.disposition, f"{scored}.")


def _of_redundant(
    service: str, rows: Sequence[InventoryRow], others: Mapping[str, Sequence[str]], peers: _Peers
) -> Proposal:
    overlaps = "; ".join(f"{peers.names(found)} for {function}" for function, found in others.items() if found)
    start = f"Redundant, and the same function is served by {overlaps}."
    alone = [function for function, found in others.items() if all(peers.redundant(name) for name in found)]
    if alone:
        more = f"Consolidate: no service that is not itself redundant would be left for {', '.join(alone)}."
        return Proposal(service, Disposition.CONSOLIDATE, f"{start} {more}")
    coupled = sorted({row.product_dependency for row in rows} - {ProductDependency.UNCOUPLED})
    if coupled:
        more = f"Consolidate: the product depends on it ({', '.join(coupled)}), and that has to move first."
        return Proposal(service, Disposition.CONSOLIDATE, f"{start} {more}")
    return Proposal(service, Disposition.RETIRE, f"{start} Retire: nothing of the product depends on it.")
