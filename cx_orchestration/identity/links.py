"""Links between entities, and the ledger that remembers every link made and retracted.

Belongs here: which entities a rule links, and what that changes in the append-only ledger. Does not belong here: who
is one customer (``clusters.py``), how keys are spelt (``keys.py``).
"""

import datetime as dt
import uuid
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from cx_orchestration.identity.names import uuid5s
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import LINKS, PROFILES, UTC_MICROSECONDS
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

#: The weight of a link by a shared strong key, in bits like every match weight: log2 of how many times likelier the
#: evidence is if the two are one person. A strong key is declared to belong to one person, which is taken as about
#: a million to one (2 ** 20), so that it can be added up with weights that a model estimates.
EXACT_WEIGHT = 20.0

_LINK_NAMES = uuid.UUID("6a3f6d0e-3a0f-5c55-9f0b-0c2f8a6b7d11")
_EXACT = "exact"


@dataclass(frozen=True)
class WantedLinks:
    """The links that one family of rules finds now.

    ``links`` has one row per pair of entities and rule, with match_weight and evidence. ``refused`` lists, as
    digests, the values that too many entities hold (namespace, digest, entities, max_entities). ``family`` is the
    part of the rules' names before the colon: links of other families are not judged.
    """

    family: str
    links: pa.Table
    refused: pa.Table


@dataclass(frozen=True)
class LedgerChange:
    """How many entries a run appended to the ledger, made or retracted, and how many links stand after it."""

    made: int
    retracted: int
    standing: int


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
    weights = pa.array([EXACT_WEIGHT] * links.num_rows, pa.float64())
    return WantedLinks(
        family=_EXACT,
        links=links.append_column("match_weight", weights),
        refused=engine.query(sql_text(__package__, "values_refused.sql"), inputs),
    )


def update_links(lake: Lake, engine: Engine, config: IdentityConfig, *, now: dt.datetime, run_id: str) -> LedgerChange:
    """Bring the ledger up to date with the profiles in the lake: find the links, append what differs."""
    standing = standing_links(lake, engine)
    wanted = find_links(engine, lake.scan(PROFILES), config, standing=standing)
    return update_ledger(lake, engine, wanted, now=now, run_id=run_id)


def standing_links(lake: Lake, engine: Engine) -> pa.Table:
    """The links of the ledger that were made and not retracted, each once: the columns of the ledger to ``made_at``."""
    return engine.query(sql_text(__package__, "standing_links.sql"), {"entries": _standing_entries(lake, engine)})


def update_ledger(lake: Lake, engine: Engine, wanted: WantedLinks, *, now: dt.datetime, run_id: str) -> LedgerChange:
    """Append to the ledger what differs from ``wanted``: links to make, and links that nothing supports any more.

    A link whose evidence or weight changed is retracted and made again, so that what stands is always true. All of
    it is one commit; when nothing differs nothing is appended. Of two runs at the same time neither sees what the
    other makes, so a link may be made twice: it is one standing link, and when it goes every entry of it is retracted.
    """
    entries = _standing_entries(lake, engine)
    inputs: dict[str, Input] = {"wanted": wanted.links, "entries": entries, "refused": wanted.refused}
    made = engine.query(sql_text(__package__, "links_made.sql"), inputs)
    retracted = engine.query(sql_text(__package__, "links_retracted.sql"), inputs, {"family": wanted.family})
    lake.append(LINKS, pa.concat_tables([_retractions(retracted, now), _entries(made, now)]), run_id=run_id)
    return LedgerChange(made.num_rows, retracted.num_rows, standing_links(lake, engine).num_rows)


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


def _standing_entries(lake: Lake, engine: Engine) -> pa.Table:
    return engine.query(sql_text(__package__, "standing_entries.sql"), {"ledger": lake.scan(LINKS)})


def _entries(made: pa.Table, now: dt.datetime) -> pa.Table:
    pair = ("left_service", "left_entity", "right_service", "right_entity", "rule")
    columns = {name: made[name] for name in made.column_names}
    columns["link_id"] = pa.array(uuid5s(_LINK_NAMES, *(made[name].to_pylist() for name in pair)), pa.string())
    columns["made_at"] = _at(now, made.num_rows)
    columns["retracted_at"] = pa.nulls(made.num_rows, UTC_MICROSECONDS)
    columns["retracted_why"] = pa.nulls(made.num_rows, pa.string())
    return pa.table({name: columns[name] for name in LINKS.schema.names}).cast(LINKS.schema)


def _retractions(standing: pa.Table, now: dt.datetime) -> pa.Table:
    rows = standing.append_column("retracted_at", _at(now, standing.num_rows))
    return rows.select(LINKS.schema.names).cast(LINKS.schema)


def _at(now: dt.datetime, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(now, UTC_MICROSECONDS), rows)
