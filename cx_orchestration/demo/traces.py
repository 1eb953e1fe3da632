"""What the records of a person leave to go by: a browser on which nobody ever signed in is somebody's, but whose?

Belongs here: which true pairs any evidence joins at all. Does not belong here: judging identity (``identity.labels``).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Traces:
    """Pairs of records of one person. ``traced`` are joined by a chain of that person's records, each of which has a
    key in common with the next; of the others no two systems know anything that is the same, names apart. ``found``
    and ``traced_found`` are those that are one customer."""

    pairs: int
    traced: int
    found: int
    traced_found: int

    @property
    def traced_recall(self) -> float:
        """The share of what could be known that was found; 1 where there is nothing to find."""
        return self.traced_found / self.traced if self.traced else 1.0

    @property
    def traceless_share_of_missed(self) -> float:
        """The share of the missed pairs that nothing joins; 0 where none is missed."""
        missed = self.pairs - self.found
        return 1 - (self.traced - self.traced_found) / missed if missed else 0.0


def trace(who: pd.DataFrame, keys: pd.DataFrame, resolved: pd.DataFrame) -> Traces:
    """Count them: ``who`` (service, entity, person), ``keys`` (service, entity, namespace, value; normalised, of any
    strength), ``resolved`` (service, entity, customer_id)."""
    names = ["service", "entity"]
    records = who.merge(resolved[[*names, "customer_id"]], on=names, how="left").reset_index(drop=True)
    held = keys[[*names, "namespace", "value"]].merge(records[[*names, "person"]].reset_index(), on=names)
    value = held.groupby(["person", "namespace", "value"], sort=False).ngroup().to_numpy()
    size = len(records) + (int(value.max()) + 1 if len(value) else 0)
    edges = (np.ones(len(held), dtype=np.int8), (held["index"].to_numpy(), len(records) + value))
    joined = connected_components(coo_array(edges, shape=(size, size)), directed=False)[1][: len(records)]
    records["joined"] = joined
    return Traces(
        pairs=_pairs(records, ["person"]),
        traced=_pairs(records, ["person", "joined"]),
        found=_pairs(records, ["person", "customer_id"]),
        traced_found=_pairs(records, ["person", "joined", "customer_id"]),
    )


def _pairs(records: pd.DataFrame, columns: list[str]) -> int:
    sizes = records.groupby(columns).size()
    return int((sizes * (sizes - 1) // 2).sum())
