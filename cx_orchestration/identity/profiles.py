"""Tonight's profiles in the lake: only those that differ from last night's are normalised.

Belongs here: what differs, and what of the tables stays. Does not belong here: how a key is read (``keys.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cx_orchestration.identity.keys import count_dropped, normalise_profiles, reading_rules
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEYS_DROPPED, KEYS_SEEN, PROFILES
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake, conform

#: Noted with a commit of the profiles: the version of the keys that belongs to them.
_KEYS_VERSION = "keys_version"


@dataclass(frozen=True)
class ProfilesUpdate:
    """How many profiles there are, how many of them are new or changed, and how many are gone; ``dropped`` counts the
    keys that will not link (``tables.KEYS_DROPPED``)."""

    profiles: int
    changed: int
    gone: int
    dropped: pa.Table


def update_profiles(
    lake: Lake,
    engine: Engine,
    profiles: pa.Table,
    seen: pa.Table,
    config: IdentityConfig,
    *,
    note: Mapping[str, str] | None = None,
    run_id: str,
) -> ProfilesUpdate:
    """Bring ``identity/profiles``, ``identity/keys`` and ``identity/keys_dropped`` up to date with what was received.

    ``profiles`` are those of all customers of all services, and ``seen`` their keys one by one, both as received. What
    has the fingerprint of last night's is copied; where nothing differs, neither of them is written. The keys are
    written before the profiles, which note their version: after a run that was killed between the two, and after an
    erasure, all are read anew. ``keys_dropped`` is always written, with ``note``: what the profiles are as of.
    """
    if lake.note(PROFILES).get(_KEYS_VERSION) == str(lake.version(KEYS_SEEN)):
        changed, gone = _update(lake, engine, profiles, seen, config, run_id)
    else:
        found = normalise_profiles(profiles, config, seen=seen, engine=engine)
        changed, gone = found.profiles.num_rows, 0
        _write(lake, found.profiles, found.keys, run_id)
    dropped = count_dropped(engine, lake.scan(PROFILES))
    lake.replace(KEYS_DROPPED, dropped, run_id=run_id, note=note)
    return ProfilesUpdate(lake.rows(PROFILES), changed, gone, dropped)


def _update(
    lake: Lake, engine: Engine, profiles: pa.Table, seen: pa.Table, config: IdentityConfig, run_id: str
) -> tuple[int, int]:
    received, received_keys = conform(PROFILES, profiles), conform(KEYS_SEEN, seen)
    little = engine.sized(received.num_rows)
    inputs: dict[str, Input] = {
        "profiles": _with_place(received),
        "seen": _with_place(received_keys),
        "before": lake.scan(PROFILES),
        "keys_before": lake.scan(KEYS_SEEN),
    }
    with little.session(inputs) as session:
        session.make("now", sql_text(__package__, "profiles_fingerprinted.sql"), {"rules": reading_rules(config)})
        changed = session.make("fresh", sql_text(__package__, "profiles_fresh.sql"))
        if changed + session.make("stale", sql_text(__package__, "profiles_stale.sql")) == 0:
            return 0, 0
        gone = session.query("SELECT count(*) AS n FROM stale WHERE is_gone")["n"][0].as_py()
        places = session.query("SELECT place FROM fresh ORDER BY place")["place"]
        key_places = session.query(_KEYS_OF_FRESH)["place"]
        kept, kept_keys = (session.query(_KEPT.format(table)) for table in ("before", "keys_before"))
    fresh = normalise_profiles(received.take(places), config, seen=received_keys.take(key_places), engine=little)
    rows = pa.concat_tables([conform(PROFILES, kept), fresh.profiles])
    _write(lake, rows, pa.concat_tables([conform(KEYS_SEEN, kept_keys), fresh.keys]), run_id)
    return changed, gone


_KEYS_OF_FRESH = (
    "SELECT place FROM seen s SEMI JOIN fresh f ON f.service = s.service AND f.entity = s.entity ORDER BY place"
)
_KEPT = "SELECT * FROM {} r ANTI JOIN stale s ON s.service = r.service AND s.entity = r.entity"


def _with_place(rows: pa.Table) -> pa.Table:
    """With the number of each row: of a few rows the engine tells these, and Arrow takes them."""
    return rows.append_column("place", pa.array(np.arange(rows.num_rows)))


def _write(lake: Lake, profiles: pa.Table, keys: pa.Table, run_id: str) -> None:
    version = lake.replace(KEYS_SEEN, keys, run_id=run_id)
    lake.replace(PROFILES, profiles, run_id=run_id, note={_KEYS_VERSION: str(version)})
