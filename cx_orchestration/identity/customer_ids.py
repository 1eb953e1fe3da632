"""The customer ids that components bear from one run to the next.

Belongs here: which component keeps which id. Does not belong here: who belongs together (``clusters.py``), reading and
writing tables (``resolve.py``).
"""

import datetime as dt
import uuid
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cx_orchestration.identity.names import uuid5s
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine, Input, sql_text

MERGED, NO_RECORDS = "merged", "no records left"

_CUSTOMER_NAMES = uuid.UUID("0d1c9a52-7c2e-5b0e-8b43-52f1c7a9e6d4")


@dataclass(frozen=True)
class IdentityChange:
    """What a run did to the customers.

    ``new`` ids were handed out; ``merged`` ids now resolve to another customer; ``split`` ids had their records
    divided among several customers; ``retired`` ids have no record left; ``unchanged`` customers have exactly the
    records they had. ``renumbered`` counts the entities, known before, whose customer id is another now.
    """

    new: int
    merged: int
    split: int
    unchanged: int
    retired: int
    renumbered: int


def find_components(engine: Engine, profiles: Input, links: Input) -> pd.DataFrame:
    """Which entities hang together: one row per entity with service, entity, component, ordered by the first two.

    A component is numbered by the position of its first entity. Links of an entity without a profile lead nowhere.
    """
    entities = engine.query(sql_text(__package__, "entities_coded.sql"), {"profiles": profiles})
    edges = engine.query(sql_text(__package__, "links_coded.sql"), {"links": links, "entities": entities})
    frame: pd.DataFrame = entities.select(["service", "entity"]).to_pandas()
    _refuse_repeated(frame)
    left, right = edges["left_code"].to_numpy(), edges["right_code"].to_numpy()
    graph = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(len(frame), len(frame)))
    _, labels = connected_components(graph, directed=False)
    _, first, positions = np.unique(labels, return_index=True, return_inverse=True)
    return frame.assign(component=first[positions])


def assign_customers(
    previous_map: pd.DataFrame, components: pd.DataFrame, aliases: pd.DataFrame, *, now: dt.datetime
) -> tuple[pd.DataFrame, pd.DataFrame, IdentityChange]:
    """Give each component a customer id: the new identity map, the new aliases, and what changed.

    ``previous_map`` and ``aliases`` are the tables as the last run left them, ``components`` comes from
    ``find_components``. An old id goes to the component that has most of its old records (the first component among
    equals); a component takes the oldest of the ids that go to it (by ``since``, then id), and the others become its
    aliases; a component to which none goes gets an id that was never handed out before. ``since`` of what stays the
    same stays the same.
    """
    at = pd.Timestamp(now).as_unit("us")
    records = components.merge(previous_map, on=["service", "entity"], how="left")
    holdings = _holdings(records)
    keeper, owner = _keepers(holdings, previous_map)
    born = _born(components[~components["component"].isin(keeper.index)], previous_map, aliases)
    ids = pd.concat([keeper, born])

    records["new_id"] = ids.reindex(records["component"]).to_numpy()
    same = records["new_id"] == records["customer_id"]
    identity_map = records[["service", "entity"]].assign(
        customer_id=records["new_id"], since=records["since"].where(same, at)
    )
    retired = pd.Index(previous_map["customer_id"].unique()).difference(owner.index)
    gone = owner[owner.map(keeper) != owner.index].map(keeper)
    change = IdentityChange(
        new=len(born),
        merged=len(gone),
        split=int((holdings.groupby("customer_id").size() > 1).sum()),
        unchanged=_unchanged(records, previous_map),
        retired=len(retired),
        renumbered=int((records["customer_id"].notna() & ~same).sum()),
    )
    return identity_map, _aliases(aliases, gone, retired, set(ids), at), change


def _refuse_repeated(entities: pd.DataFrame) -> None:
    repeated = entities[entities.duplicated()]
    if len(repeated):
        services = ", ".join(sorted(repeated["service"].unique()))
        raise PermanentFailure(
            f"identity/profiles: {len(repeated)} rows repeat an entity of {services}; a profile is one row per service "
            "and entity, so materialize identity/profiles again"
        )


def _holdings(records: pd.DataFrame) -> pd.DataFrame:
    """How many of each old id's records each component has: customer_id, component, records."""
    known = records[records["customer_id"].notna()]
    return known.groupby(["customer_id", "component"]).size().rename("records").reset_index()


def _keepers(holdings: pd.DataFrame, previous_map: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The id each component keeps (by component), and the component each old id goes to (by id)."""
    most = holdings.sort_values(["customer_id", "records", "component"], ascending=[True, False, True])
    goes = most.drop_duplicates("customer_id").set_index("customer_id")["component"]
    ages = previous_map.groupby("customer_id")["since"].min().reindex(goes.index)
    ranked = (
        pd.DataFrame({"component": goes, "since": ages})
        .reset_index()
        .sort_values(["component", "since", "customer_id"])
    )
    return ranked.drop_duplicates("component").set_index("component")["customer_id"], goes


def _born(strangers: pd.DataFrame, previous_map: pd.DataFrame, aliases: pd.DataFrame) -> pd.Series:
    """Ids for components that keep none (by component), named after the component's first entity.

    The name carries a generation, which goes up while the id was handed out before: a customer that was split off
    again is not the one that bore the id earlier.
    """
    first = strangers.sort_values(["service", "entity"]).drop_duplicates("component")
    handed_out = (
        set(previous_map["customer_id"]) | set(aliases["old_customer_id"]) | set(aliases["customer_id"].dropna())
    )
    services, entities = first["service"].tolist(), first["entity"].tolist()
    ids = uuid5s(_CUSTOMER_NAMES, services, ["0"] * len(first), entities)
    for position, (service, entity) in enumerate(zip(services, entities, strict=True)):
        generation = 0
        while ids[position] in handed_out:
            generation += 1
            ids[position] = uuid5s(_CUSTOMER_NAMES, [service], [str(generation)], [entity])[0]
    return pd.Series(ids, index=first["component"].to_numpy(), dtype="str")


def _unchanged(records: pd.DataFrame, previous_map: pd.DataFrame) -> int:
    """How many customers have the same id and exactly the same entities as before."""
    before = previous_map.groupby("customer_id").size()
    after = records.groupby("new_id").size()
    stayed = records[records["customer_id"] == records["new_id"]].groupby("new_id").size()
    sizes = pd.DataFrame({"before": before, "after": after, "stayed": stayed}).dropna()
    return int(((sizes["before"] == sizes["stayed"]) & (sizes["after"] == sizes["stayed"])).sum())


def _aliases(
    aliases: pd.DataFrame, gone: pd.Series, retired: pd.Index, current: set[str], at: pd.Timestamp
) -> pd.DataFrame:
    """All ids that are no customer's any more, each with the id that it stands for now, or none."""
    fresh = pd.DataFrame(
        {
            "old_customer_id": [*gone.index, *retired],
            "customer_id": [*gone, *[None] * len(retired)],
            "why": [MERGED] * len(gone) + [NO_RECORDS] * len(retired),
            "since": at,
        }
    )
    known = aliases[~aliases["old_customer_id"].isin(set(fresh["old_customer_id"]) | current)]
    successors = fresh.set_index("old_customer_id")["customer_id"]
    moved = known["customer_id"].isin(successors.index)
    known = known.assign(
        customer_id=known["customer_id"].where(~moved, known["customer_id"].map(successors)),
        since=known["since"].where(~moved, at),
    )
    return pd.concat([known, fresh]).sort_values("old_customer_id", ignore_index=True)
