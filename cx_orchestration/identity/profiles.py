"""Tonight's profiles in the lake: only those that differ from last night's are normalised.

Belongs here: what differs, and what of the tables stays. Does not belong here: how a key is read (``keys.py``), what
others ask of the difference (``changed.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.identity.changed import keep_change
from cx_orchestration.identity.fingerprints import Integers, fingerprints
from cx_orchestration.identity.keys import count_dropped, normalise_profiles, reading_rules
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEYS_DROPPED, KEYS_SEEN, PROFILES, PROFILES_CHANGED
from cx_orchestration.storage.arrow_files import read_files
from cx_orchestration.storage.engine import Engine, Input
from cx_orchestration.storage.lake import Lake, conform

#: Noted with a commit of the profiles: the version of the keys that belongs to them.
_KEYS_VERSION = "keys_version"

#: What stays as it was while what was received does: the rest is taken from what was received.
_READ = ("keys", "dropped", "fingerprint")


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

    ``profiles`` are those of all customers of all services, and ``seen`` their keys one by one, both as received. Of
    what has the fingerprint of last night's the keys are copied; where nothing differs, neither of them is written. The
    keys are written before the profiles, which note their version: after a run that was killed between the two, and
    after an erasure, all are read anew. So it is with ``identity/profiles_changed``, which says what differs from last
    night. ``keys_dropped`` is always written, with ``note``: what the profiles are as of.
    """
    received, keys = conform(PROFILES, profiles), conform(KEYS_SEEN, seen)
    update = None
    if lake.note(PROFILES).get(_KEYS_VERSION) == str(lake.version(KEYS_SEEN)):
        update = _update(lake, engine, received, keys, config, run_id)
    if update is None:
        found = normalise_profiles(received, config, seen=keys, engine=engine)
        update = found.profiles.num_rows, 0
        lake.replace(PROFILES_CHANGED, PROFILES_CHANGED.empty(), run_id=run_id)
        # Of a customer who came twice the next night cannot tell which keys stay: it reads all anew, too.
        _write(lake, found.profiles, found.keys, run_id, is_told_apart=not found.repeated)
    changed, gone = update
    dropped = count_dropped(engine, lake.scan(PROFILES))
    lake.replace(KEYS_DROPPED, dropped, run_id=run_id, note=note)
    return ProfilesUpdate(lake.rows(PROFILES), changed, gone, dropped)


def _update(
    lake: Lake, engine: Engine, received: pa.Table, seen: pa.Table, config: IdentityConfig, run_id: str
) -> tuple[int, int] | None:
    """How many are new or changed, and how many are gone; ``None`` where profiles cannot be told apart."""
    little = engine.sized(received.num_rows)
    told = fingerprints(little, received, seen, reading_rules(config))
    files = lake.live_files(PROFILES)
    before = read_files(PROFILES, lake.folder_of(PROFILES), files, ["service", "entity", *_READ])
    was = _places_in(before, told.of_profiles)
    is_kept = was >= 0
    is_stale = np.ones(before.num_rows, np.bool_)
    is_stale[was[is_kept]] = False
    if told.repeated or before.num_rows - is_stale.sum() != is_kept.sum():
        return None
    if is_kept.all() and not is_stale.any():
        return 0, 0
    is_fresh = np.r_[~is_kept, False]  # the last for keys of nobody
    fresh = normalise_profiles(
        received.filter(pa.array(~is_kept)), config, seen=seen.filter(pa.array(is_fresh[told.holders])), engine=little
    )
    stale = before.filter(pa.array(is_stale))
    inputs: dict[str, Input] = {"keys_before": lake.scan(KEYS_SEEN), "stale": stale, "fresh": fresh.profiles}
    with little.session(inputs) as session:
        kept_keys = session.query(
            "SELECT * FROM keys_before k ANTI JOIN stale s ON s.service = k.service AND s.entity = k.entity"
        )
        gone = session.query("SELECT * FROM stale s ANTI JOIN fresh f ON f.service = s.service AND f.entity = s.entity")
    now = _places_in(fresh.profiles, told.of_profiles.filter(pa.array(~is_kept)))
    if (now < 0).any():
        return None
    # What was read of each: last night, or now, which lies behind all of that.
    read_at = was.copy()
    read_at[~is_kept] = before.num_rows + now
    read = pa.concat_tables([before.select(_READ), fresh.profiles.select(_READ)]).take(pa.array(read_at))
    for name in _READ:
        received = received.set_column(received.schema.get_field_index(name), name, read[name])
    keys = pa.concat_tables([conform(KEYS_SEEN, kept_keys), fresh.keys])
    _write(lake, received, keys, run_id, note=keep_change(lake, fresh.profiles, stale, run_id=run_id))
    return fresh.profiles.num_rows, gone.num_rows


def _places_in(profiles: pa.Table, fingerprints: pa.Array) -> Integers:
    """The place of each fingerprint among the profiles, -1 where they have none such."""
    found = pc.index_in(fingerprints, value_set=profiles["fingerprint"].combine_chunks())
    return np.array(found.fill_null(-1))


def _write(
    lake: Lake,
    profiles: pa.Table,
    keys: pa.Table,
    run_id: str,
    *,
    note: Mapping[str, str] | None = None,
    is_told_apart: bool = True,
) -> None:
    version = lake.replace(KEYS_SEEN, keys, run_id=run_id)
    belonging = {_KEYS_VERSION: str(version)} if is_told_apart else {}
    lake.replace(PROFILES, profiles, run_id=run_id, note={**belonging, **(note or {})})
