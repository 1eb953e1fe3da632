"""Fingerprints of profiles as received, by which a night tells which of them differ from last night's.

Belongs here: what a fingerprint is of, and whose each key is. Does not belong here: what differs (``profiles.py``).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cx_orchestration.storage.engine import Engine, sql_text

Integers: TypeAlias = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Fingerprints:
    """``of_profiles``, in their order; ``holders``, of each key in its order the place of its profile, -1 for none.

    ``repeated`` tells that two profiles cannot be told apart: one customer came twice, or two have one hash, which
    happens once in a million times five million of them.
    """

    of_profiles: pa.Array
    holders: Integers
    repeated: bool


def fingerprints(engine: Engine, profiles: pa.Table, seen: pa.Table, rules: str) -> Fingerprints:
    """Of ``profiles``, and ``seen``, their keys one by one: 63 bits of a hash of all that was received of each
    customer, and of the ``rules`` by which it is read.

    The hashes of a customer's keys are added up, so their order says nothing.
    """
    told, keys_told = (
        engine.query(sql_text(__package__, f"{kind}_hashed.sql"), {kind: rows.append_column("place", _places(rows))})
        for kind, rows in (("profiles", profiles), ("seen", seen))
    )
    whose = pc.index_in(keys_told["who"], value_set=told["who"].combine_chunks()).fill_null(-1).to_numpy()
    is_held = whose >= 0
    keys = np.zeros(told.num_rows, np.uint64)
    np.add.at(keys, whose[is_held], keys_told["state"].to_numpy()[is_held])
    hashed = engine.query(
        "SELECT place, (hash(who, $rules, state, keys) >> 1)::BIGINT AS fingerprint FROM told ORDER BY place",
        {"told": told.append_column("keys", pa.array(keys))},
        {"rules": rules},
    )
    holders = np.full(seen.num_rows, -1, np.int64)
    holders[keys_told["place"].to_numpy()] = np.where(is_held, told["place"].to_numpy()[whose], -1)
    ordered = np.sort(told["who"].to_numpy())
    repeated = bool((ordered[1:] == ordered[:-1]).any())
    return Fingerprints(hashed["fingerprint"].combine_chunks(), holders, repeated)


def _places(rows: pa.Table) -> pa.Array:
    return pa.array(np.arange(rows.num_rows))
