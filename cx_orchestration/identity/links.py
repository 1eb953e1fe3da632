"""Exact links: which entities share a value of a strong key.

Belongs here: which pairs of entities a shared value links. Does not belong here: how that becomes entries of the ledger
(``ledger.py``), who is one customer (``clusters.py``), how keys are spelt (``keys.py``).
"""

import datetime as dt
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from cx_orchestration.identity.ledger import LedgerChange, standing_links, update_ledger
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import LINKS, PROFILES
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

#: The weight of a link by a shared strong key, in bits like every match weight: log2 of how many times likelier the
#: evidence is if the two are one person. A strong key is declared to belong to one person, which is taken as about
#: a million to one (2 ** 20), so that it can be added up with weights that a model estimates.
EXACT_WEIGHT = 20.0

_EXACT = "exact"


@dataclass(frozen=True)
class WantedLinks:
    """The links that shared values make now.

    ``links`` has the columns of ``ledger.WANTED``. ``refused`` lists, as digests, the values that too many entities
    hold (namespace, digest, entities, max_entities).
    """

    links: pa.Table
    refused: pa.Table


def find_links(
    engine: Engine, profiles: Input, config: IdentityConfig, *, standing: pa.Table | None = None
) -> WantedLinks:
    """The entities joined by a shared value of a strong key, each linked once to the value's hub.

    ``profiles`` are normalised (``keys.normalise_profiles``). A value held by more than ``max_entities`` entities
    links nobody. ``standing`` are the ledger's current links: a value keeps the hub that it has there.
    """
    inputs: dict[str, Input] = {
        "profiles": profiles,
        "namespaces": strong_namespaces(config),
        "standing": LINKS.empty() if standing is None else standing,
    }
    links = engine.query(sql_text(__package__, "links_wanted.sql"), inputs)
    links = links.append_column("match_weight", pa.array([EXACT_WEIGHT] * links.num_rows, pa.float64()))
    return WantedLinks(
        links=links.append_column("model_version", pa.nulls(links.num_rows, pa.string())),
        refused=engine.query(sql_text(__package__, "values_refused.sql"), inputs),
    )


def update_links(lake: Lake, engine: Engine, config: IdentityConfig, *, now: dt.datetime, run_id: str) -> LedgerChange:
    """Bring the ledger up to date with the profiles in the lake: find the links, append what differs."""
    standing = standing_links(lake, engine)
    wanted = find_links(engine, lake.scan(PROFILES), config, standing=standing)
    limits = wanted.refused["max_entities"].to_pylist()
    whys = [f"a value turned out to be shared by more than {limit} entities" for limit in limits]
    reasons = pa.table({"digest": wanted.refused["digest"], "why": pa.array(whys, pa.string())})
    return update_ledger(lake, engine, wanted.links, family=_EXACT, scope=None, now=now, run_id=run_id, reasons=reasons)


def refused_values(engine: Engine, profiles: Input, config: IdentityConfig) -> pd.DataFrame:
    """How many values too many entities hold: namespace, values, most_entities (that hold one of them)."""
    inputs: dict[str, Input] = {"profiles": profiles, "namespaces": strong_namespaces(config)}
    refused: pd.DataFrame = engine.query(sql_text(__package__, "values_refused.sql"), inputs).to_pandas()
    return refused.groupby("namespace")["entities"].agg(values="count", most_entities="max").reset_index()


def strong_namespaces(config: IdentityConfig) -> pa.Table:
    """The namespaces whose keys link, and how many entities may share a value: namespace, max_entities."""
    strong = {name: rule.max_entities for name, rule in config.namespaces.items() if rule.strength == "strong"}
    schema = pa.schema([("namespace", pa.string()), ("max_entities", pa.int64())])
    return pa.table({"namespace": list(strong), "max_entities": list(strong.values())}, schema=schema)
