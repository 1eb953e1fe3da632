"""The fields that are compared, in one spelling: names, birth dates, addresses, keys.

Belongs here: which inputs the SQL needs, and which entities have other fields than before. Does not belong here: how
two values are compared (``comparisons.py``).
"""

import csv
import datetime as dt
from dataclasses import dataclass
from functools import cache
from io import StringIO

import pyarrow as pa

from cx_orchestration.identity.hygiene import namespace_rules
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEY_VALUES, MATCHING_FIELDS
from cx_orchestration.storage.engine import Engine, Input, sql_text

#: Countries that write the month of a date before its day (CLDR's short formats).
_MONTH_FIRST = frozenset({"US", "PH", "FM", "GU", "AS", "MH", "MP", "PR", "PW", "UM", "VI"})

#: Kinds of words.csv that stand for nothing else.
_SETS = ("title", "particle", "legal_form")

HABITS = pa.schema(
    [
        ("service", pa.string()),
        ("has_family_names", pa.bool_()),
        ("organisations", pa.bool_()),
        ("day_first", pa.bool_()),
        ("year_first", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Fields:
    """The fields of all entities now: ``rows`` has one each (``fields_now.sql``), ordered by service and entity,
    and in that order their numbers from 0 (``unique_id``).

    ``before`` are those of the entities that changed or are gone, as they were.
    """

    rows: pa.Table
    before: pa.Table


def find_habits(engine: Engine, profiles: Input) -> pa.Table:
    """How each service writes dates and names (``habits.sql``). A model keeps them, so that every night reads alike."""
    with engine.session({"profiles": profiles, "words": _words()}) as session:
        session.make_in_parts("votes", sql_text(__package__, "habits_votes.sql"), "profiles", beside=["words"])
        return session.query(sql_text(__package__, "habits.sql")).cast(HABITS)


def matching_fields(
    engine: Engine,
    profiles: Input,
    config: IdentityConfig,
    habits: pa.Table,
    *,
    today: dt.date,
    kept: Input | None = None,
    key_values: Input | None = None,
) -> Fields:
    """The fields of all entities; only texts that differ from those ``kept`` are looked at.

    ``profiles`` are normalised (``keys.normalise_profiles``), ``key_values`` the verdicts on their keys: a value that
    is nobody's is left out (``personal_keys.sql``). Without verdicts that is what more than ``max_entities`` hold.
    """
    inputs: dict[str, Input] = {
        "profiles": profiles,
        "habits": habits,
        "namespaces": namespace_rules(config),
        "key_values": KEY_VALUES.empty() if key_values is None else key_values,
        "kept": MATCHING_FIELDS.empty() if kept is None else kept,
    }
    params = {"month_first": config.region in _MONTH_FIRST, "this_year": f"{today:%y}"} | _vocabulary()
    with engine.session(inputs) as session:
        session.make_in_parts("told", sql_text(__package__, "profiles_fingerprinted.sql"), "profiles")
        session.make("changed", sql_text(__package__, "profiles_changed.sql"))
        session.make_in_parts("fresh", sql_text(__package__, "fields.sql"), "changed", params, beside=["habits"])
        session.make("personal_keys", sql_text(__package__, "personal_keys.sql"))
        rows = session.query(sql_text(__package__, "fields_now.sql"))
        rows = session.keep("fields", rows.add_column(0, "unique_id", pa.array(range(rows.num_rows), pa.int64())))
        return Fields(rows, session.query(sql_text(__package__, "gone.sql")))


@cache
def _vocabulary() -> dict[str, list[str]]:
    """The words as parameters, since SQL looks a word up in a constant list sooner than in a column."""
    rows = _words().to_pylist()
    lists = {f"{kind}s": [row["word"] for row in rows if row["kind"] == kind] for kind in _SETS}
    for kind in ("street", "month"):
        lists[f"{kind}_words"] = [row["word"] for row in rows if row["kind"] == kind]
        lists[f"{kind}_values"] = [row["value"] for row in rows if row["kind"] == kind]
    return lists


@cache
def _words() -> pa.Table:
    rows = list(csv.DictReader(StringIO(sql_text(__package__, "words.csv"))))
    return pa.table({name: [row[name] for row in rows] for name in ("kind", "word", "value")})
