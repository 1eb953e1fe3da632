"""How good the data is for telling who is who (R5, C4): coverage of keys, silos, cluster sizes, refused values.

Belongs here: counting, as small frames that metadata and checks show. Does not belong here: deciding what is too bad.
"""

from dataclasses import dataclass

import pandas as pd

from cx_orchestration.identity.links import refused_values, strong_namespaces
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import IDENTITY_MAP, PROFILES
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake


@dataclass(frozen=True)
class IdentityQuality:
    """The scorecard of identity; it counts entities and values and names none.

    ``keys``: service, namespace, entities, with_key, coverage (share of the service's entities that have the key),
    shared (share that has a value which links to another service). ``services``: service, entities,
    linked_elsewhere, linked_share, silo. ``clusters``: entities (in a cluster), customers (clusters of that size).
    ``refused``: namespace, values, most_entities: the values that too many entities hold to link.
    """

    keys: pd.DataFrame
    services: pd.DataFrame
    clusters: pd.DataFrame
    refused: pd.DataFrame

    @property
    def silos(self) -> list[str]:
        """The services none of whose entities is known to another service; an only service has no other to know."""
        if len(self.services) < 2:
            return []
        return [str(service) for service in self.services.loc[self.services["silo"], "service"]]

    @property
    def largest_cluster(self) -> int:
        """The most entities that one customer has; 0 without customers."""
        return int(self.clusters["entities"].max()) if len(self.clusters) else 0


def identity_quality(lake: Lake, engine: Engine, config: IdentityConfig) -> IdentityQuality:
    """The scorecard of the profiles and the identity map as they are in the lake now."""
    inputs: dict[str, Input] = {
        "profiles": lake.scan(PROFILES),
        "identity_map": lake.scan(IDENTITY_MAP),
        "namespaces": strong_namespaces(config),
    }
    keys, services, clusters = (
        engine.query(sql_text(__package__, f"quality_{name}.sql"), inputs).to_pandas()
        for name in ("keys", "services", "clusters")
    )
    refused = refused_values(engine, inputs["profiles"], config)
    return IdentityQuality(keys=keys, services=services, clusters=clusters, refused=refused)
