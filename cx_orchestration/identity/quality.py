"""How good the data is for telling who is who (R5, C4): coverage of keys, silos, cluster sizes, refused values.

Belongs here: counting, as small frames that metadata and checks show. Does not belong here: deciding what is too bad.
"""

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from cx_orchestration.identity.hygiene import namespace_rules
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import IDENTITY_MAP, KEY_VALUES, KEYS_DROPPED, KEYS_SEEN, PROFILES, SCORECARD
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake, conform


@dataclass(frozen=True)
class IdentityQuality:
    """How well the keys tell who is who; it counts entities and values and names none.

    ``scorecard`` has the columns of ``tables.SCORECARD``: one row per service and key namespace. ``services``: service,
    entities, linked_elsewhere, linked_share, silo. ``clusters``: entities (in a cluster), customers (clusters of that
    size). ``refused``: namespace, why, values, most_entities: the values that are nobody's and link nobody.
    """

    scorecard: pd.DataFrame
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

    @property
    def widest_spread(self) -> int:
        """The most values of one key that one customer has; 0 without keys."""
        return int(self.scorecard["most_values"].max()) if len(self.scorecard) else 0

    @property
    def conflicts(self) -> int:
        """How many entities have two values of a key that only one person can have."""
        return int(self.scorecard["conflicts"].sum()) if len(self.scorecard) else 0

    @property
    def numbers(self) -> dict[str, int | float]:
        """What is worth a line from run to run."""
        return {
            "largest_cluster": self.largest_cluster,
            "most_values_of_one_key": self.widest_spread,
            "values_that_link_nobody": int(self.refused["values"].sum()),
            "worst_validity": self.worst_validity,
            "entities_that_contradict_themselves": self.conflicts,
            "linked_to_another_service": _share(self.services),
        }

    @property
    def worst_validity(self) -> float:
        """The smallest share of usable values among those that a service gives of a key; 1 without keys."""
        known = self.scorecard["validity"].dropna()
        return float(known.min()) if len(known) else 1.0


def identity_quality(lake: Lake, engine: Engine, config: IdentityConfig) -> IdentityQuality:
    """The quality of the profiles, keys and the identity map as they are in the lake now."""
    inputs: dict[str, Input] = {
        "profiles": lake.scan(PROFILES),
        "keys": lake.scan(KEYS_SEEN),
        "keys_dropped": lake.scan(KEYS_DROPPED),
        "key_values": lake.scan(KEY_VALUES),
        "identity_map": lake.scan(IDENTITY_MAP),
        "namespaces": namespace_rules(config),
    }
    texts = ("scorecard", "quality_services", "quality_clusters", "quality_refused")
    frames = (engine.query(sql_text(__package__, f"{text}.sql"), inputs).to_pandas() for text in texts)
    return IdentityQuality(*frames)


def keep_scorecard(lake: Lake, quality: IdentityQuality, *, run_id: str) -> None:
    """Write the scorecard to the lake."""
    rows = pa.Table.from_pandas(quality.scorecard, schema=SCORECARD.schema, preserve_index=False)
    lake.replace(SCORECARD, conform(SCORECARD, rows), run_id=run_id)


def _share(services: pd.DataFrame) -> float:
    entities = services["entities"].sum()
    return float(services["linked_elsewhere"].sum() / entities) if entities else 0.0
