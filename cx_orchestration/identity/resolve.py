"""Who is who today: reads profiles and the ledger, writes the identity map, former ids and the customers' history.

Belongs here: what a night has to look at again, and the order of reading and writing that makes a killed run harmless.
Does not belong here: who belongs together (``clusters.py``), how ids are chosen (``customer_ids.py``).
"""

import datetime as dt
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.identity.changed import changed_since
from cx_orchestration.identity.clusters import Linkage, Pairs, UniqueValues, find_clusters
from cx_orchestration.identity.customer_history import explained_events, write_history
from cx_orchestration.identity.customer_ids import IdentityChange, assign_ids
from cx_orchestration.identity.former_ids import standing_aliases, write_aliases
from cx_orchestration.identity.publish_gate import Gate, Proposal
from cx_orchestration.identity.vetoes import UNIQUE, UniqueKeys
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import IDENTITY_MAP, LINKS, PROFILES, RESOLVED, Table
from cx_orchestration.storage.engine import Engine, Input, Session, sql_text
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan


def resolve(
    lake: Lake,
    engine: Engine,
    *,
    now: dt.datetime,
    run_id: str,
    linkage: Linkage | None = None,
    unique: UniqueKeys | None = None,
    gate: Gate | None = None,
) -> IdentityChange:
    """Bring the identity map, the former ids and the customers' history up to date with profiles and standing links.

    Only the components of entities are looked at that came or went, got entries in the ledger, other unique values or a
    first thing to compare since the last run; all of them when there was none, when ``linkage`` or the unique
    namespaces are others, when the ledger was rewritten, or when the map is not as the last run left it, as after a
    killed run. ``gate`` judges the new map before anything is written; where it raises, everything stays as it is.

    A table whose content stays the same is not written, so its version tells when it last changed. The history is
    written first, under the version that the map will get: a rerun replaces what a killed run wrote there. Then come
    the aliases, under the same version, so that a rerun passes over a killed run's; then the map, and at last which
    state of the inputs it is from: a run that is killed in between is repeated from the same state.
    """
    linkage = linkage or Linkage()
    inputs, last = _Inputs.of(lake, linkage, unique), _last(lake)
    anew = last is None or not inputs.follow(lake, last)
    engine = engine if anew else engine.sized(lake.rows(PROFILES))
    with engine.session(inputs.all() if last is None or anew else inputs.since(lake, engine, last)) as session:
        if anew:
            session.make("bare", sql_text(__package__, "resolve_bare.sql"))
        else:
            _look_around(session)
        records = _clustered(session, linkage, anew=anew)
        assignment = assign_ids(session, records, now=now)
        history = explained_events(session, assignment.events)
        rows = assignment.rows.select(IDENTITY_MAP.schema.names)
        differs = inputs.map_version is None or _differs(records, assignment.rows)
        if differs and not anew:
            rows = session.query(sql_text(__package__, "resolve_map.sql")).select(IDENTITY_MAP.schema.names)
        before = inputs.customers(session, last)
        proposal = _proposal(session, assignment.change, before)

    if gate is not None:
        gate(proposal)
    next_map = _following(inputs.map_version)
    write_history(lake, history, now=now, map_version=next_map, run_id=run_id)
    map_version = next_map if differs else inputs.map_version
    write_aliases(lake, engine, inputs.aliases, assignment.aliases, map_version=map_version, run_id=run_id)
    if differs:
        map_version = lake.replace(IDENTITY_MAP, rows, run_id=run_id)
    known = before - assignment.customers_before
    change = replace(
        assignment.change,
        customers=assignment.change.customers + known,
        unchanged=assignment.change.unchanged + known,
    )
    inputs.remember(lake, last, map_version, change.customers, now=now, run_id=run_id)
    return change


def _proposal(session: Session, change: IdentityChange, customers_before: int) -> Proposal:
    counted = session.query(sql_text(__package__, "publish_proposal.sql")).to_pylist()[0]
    return Proposal(
        **counted,
        customers_before=customers_before,
        renumbered=change.renumbered,
        merged=change.merged,
        split=change.split,
    )


@dataclass(frozen=True)
class _Inputs:
    """The tables that a run reads, each at one version, and the settings."""

    profiles: Scan
    identity_map: Scan
    aliases: Scan
    links: Scan
    unique: UniqueKeys | None
    map_version: int | None
    profiles_version: int | None
    links_version: int | None
    unique_version: int | None
    settings: str

    @classmethod
    def of(cls, lake: Lake, linkage: Linkage, unique: UniqueKeys | None) -> "_Inputs":
        profiles_version = lake.version(PROFILES)
        map_version, links_version = lake.version(IDENTITY_MAP), lake.version(LINKS)
        return cls(
            profiles=lake.scan(PROFILES, version=profiles_version),
            identity_map=lake.scan(IDENTITY_MAP, version=map_version),
            aliases=standing_aliases(lake, _following(map_version)),
            links=lake.scan(LINKS, version=links_version),
            unique=unique,
            map_version=map_version,
            profiles_version=profiles_version,
            links_version=links_version,
            unique_version=lake.version(unique.table) if unique else None,
            settings=json.dumps(
                asdict(linkage) | {"unique": sorted(unique.namespaces) if unique else []}, sort_keys=True
            ),
        )

    def follow(self, lake: Lake, last: dict[str, Any]) -> bool:
        """Whether what changed since the last run can be told: the map is as it left it, the ledger only grew, and no
        erasure has removed what it read."""
        read = (
            (PROFILES, last["profiles_version"]),
            (LINKS, last["links_version"]),
            (self.unique.table if self.unique else None, last["unique_version"]),
        )
        if not all(lake.holds(table, version) for table, version in read if table is not None and version is not None):
            return False
        before = _files(lake, LINKS, last["links_version"])
        return (
            self.map_version is not None
            and self.map_version == last["map_version"]
            and last["profiles_version"] is not None
            and last["settings"] == self.settings
            and before <= set(self.links.files)
            and (last["unique_version"] is None) == (self.unique_version is None)
        )

    def all(self) -> dict[str, Input]:
        """What a run reads that looks at everything."""
        return {
            "profiles": self.profiles,
            "identity_map": self.identity_map,
            "previous": self.identity_map,
            "present": self.profiles,
            "ledger": self.links,
            "fresh": pa.table({"link_id": pa.array([], pa.string())}),
            "unique_now": self.unique_values(self.unique_version),
            "aliases": self.aliases,
        }

    def unique_values(self, version: int | None) -> pa.Table:
        if self.unique is None or version is None:
            return UNIQUE.empty_table()
        return self.unique.values(version).select(UNIQUE.names)

    def since(self, lake: Lake, engine: Engine, last: dict[str, Any]) -> dict[str, Input]:
        """What a run reads that looks at what changed since ``last``."""
        known = _files(lake, LINKS, last["links_version"])
        now = self.unique_values(self.unique_version)
        same = last["unique_version"] == self.unique_version
        return {
            "changed": changed_since(lake, engine, last["profiles_version"]),
            "identity_map": self.identity_map,
            "ledger": self.links,
            "entries": replace(self.links, files=tuple(file for file in self.links.files if file not in known)),
            "unique_now": now,
            "unique_then": now if same else self.unique_values(last["unique_version"]),
            "aliases": self.aliases,
        }

    def customers(self, session: Session, last: dict[str, Any] | None) -> int:
        """How many customers the map has."""
        if last is not None and last["map_version"] == self.map_version:
            return int(last["customers"])
        counted = session.query("SELECT count(DISTINCT customer_id) AS n FROM identity_map")
        return int(counted["n"][0].as_py())

    def remember(
        self,
        lake: Lake,
        last: dict[str, Any] | None,
        map_version: int | None,
        customers: int,
        *,
        now: dt.datetime,
        run_id: str,
    ) -> None:
        state = {
            "map_version": map_version,
            "profiles_version": self.profiles_version,
            "links_version": self.links_version,
            "unique_version": self.unique_version,
            "settings": self.settings,
            "customers": customers,
        }
        if last is None or any(last[name] != value for name, value in state.items()):
            rows = pa.Table.from_pylist([state | {"resolved_at": now}], schema=RESOLVED.schema)
            lake.replace(RESOLVED, rows, run_id=run_id)


def _last(lake: Lake) -> dict[str, Any] | None:
    rows: list[dict[str, Any]] = lake.read(RESOLVED).to_pylist()
    return rows[0] if rows else None


def _files(lake: Lake, table: Table, version: int | None) -> set[str]:
    return set() if version is None else set(lake.scan(table, version=version).files)


def _look_around(session: Session) -> None:
    """Keep what a night looks at: the map's rows of the customers concerned, their entities that have a profile, and
    the links with entries that the last run did not know."""

    def made(name: str) -> int:
        return session.make(name, sql_text(__package__, f"resolve_{name}.sql"))

    made("touched")
    if made("newcomers"):
        made("partners")
        session.make("touched", "SELECT * FROM partners")
    for name in ("previous", "present"):
        made(name)
    session.make("bare", sql_text(__package__, "resolve_bare_now.sql"))
    session.make("fresh", "SELECT DISTINCT link_id FROM entries")


def _clustered(session: Session, linkage: Linkage, *, anew: bool) -> pa.Table:
    """The entities looked at (resolve_records.sql), with the codes of the first of their cluster and component.

    The session keeps them, and the ``pairs`` that they are in (resolve_pairs.sql). It also has the entries that are
    ``near`` (resolve_near.sql): of few entities they are kept, and the ledger is passed through once.
    """
    records = session.keep("records", session.query(sql_text(__package__, "resolve_records.sql")))
    _refuse_repeated(records)
    near = sql_text(__package__, "resolve_near.sql")
    if anew:
        session.define("near", near)
    else:
        session.make("near", near)
    session.make("pairs", sql_text(__package__, "resolve_pairs.sql"))
    pairs = session.query("SELECT * FROM pairs")
    values = session.query(sql_text(__package__, "resolve_unique.sql"))
    found = find_clusters(
        records.num_rows - records["code"].null_count,
        Pairs(*(pairs[name].to_numpy() for name in ("left_code", "right_code", "match_weight", "kind"))),
        UniqueValues(*(values[name].to_numpy() for name in ("code", "namespace_code", "value_code"))),
        linkage,
        bare=records["is_bare"].to_numpy()[: records.num_rows - records["code"].null_count],
    )
    absent = pa.nulls(records["code"].null_count, pa.int64())
    for name, firsts in (("cluster", found.cluster), ("hangs", found.component)):
        records = records.append_column(name, pa.chunked_array([pa.array(firsts, pa.int64()), absent]))
    return records


def _refuse_repeated(records: pa.Table) -> None:
    repeated = records.filter(records["repeated"])
    if repeated.num_rows:
        services = ", ".join(sorted(set(repeated["service"].to_pylist())))
        raise PermanentFailure(
            f"identity/profiles: {repeated.num_rows} rows repeat an entity of {services}; a profile is one row per "
            "service and entity, so materialize identity/profiles again"
        )


def _differs(records: pa.Table, rows: pa.Table) -> bool:
    known = records.num_rows - records["customer_id"].null_count
    return known != rows.num_rows or not pc.all(rows["same"], min_count=0).as_py()


def _following(version: int | None) -> int:
    """The version that the next commit of a table makes; a new table is version 0 before it has rows."""
    return 1 if version is None else version + 1
