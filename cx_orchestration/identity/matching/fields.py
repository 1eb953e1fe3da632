"""The fields that are compared, in one spelling: names, birth dates, addresses, keys.

Belongs here: which inputs the SQL needs, and which entities have other fields than before. Does not belong here: how
two values are compared (``comparisons.py``).
"""

import csv
import datetime as dt
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
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

#: What a night needs of what was kept of an entity: the texts themselves are not read again.
_FORMER = ["service", "entity", "number", "fingerprint", "keys", "blocks", "model_version", "read_by"]

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
    """The fields of entities that were looked at: of all, or of those that may be other than what was kept.

    ``rows`` has one each (``fields_now.sql``), ordered by service and entity, and in that order their numbers
    (``unique_id``), which no row that was kept has. ``former`` is what was kept of them, and of those that are gone.
    """

    rows: pa.Table
    former: pa.Table


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
    """The fields of all entities, or of those that may be other than what was ``kept`` (``tables.MATCHING_FIELDS``).

    ``profiles`` are normalised (``keys.normalise_profiles``), ``key_values`` the verdicts on their keys: a value that
    is nobody's is left out (``personal_keys.sql``). Without verdicts that is what more than ``max_entities`` hold.
    """
    inputs: dict[str, Input] = {
        "profiles": profiles,
        "habits": habits,
        "namespaces": namespace_rules(config),
        "key_values": KEY_VALUES.empty() if key_values is None else key_values,
    }
    params = {"month_first": config.region in _MONTH_FIRST, "this_year": f"{today:%y}"} | _vocabulary()
    first = 0
    with engine.session(inputs if kept is None else inputs | {"stored": kept}) as session:
        session.define("told", sql_text(__package__, "profiles_told.sql"))
        session.make("personal_keys", sql_text(__package__, "personal_keys.sql"))
        if kept is None:
            session.define("looked_at", "SELECT * FROM profiles")
            session.keep("former", MATCHING_FIELDS.empty().select(_FORMER))
        else:
            session.define("kept", sql_text(__package__, "fields_kept.sql"))
            session.make("differing", sql_text(__package__, "profiles_differing.sql"))
            session.make("looked_at", "SELECT p.* FROM profiles p SEMI JOIN differing d ON d.profile = p.fingerprint")
            session.make(
                "former", f"SELECT {', '.join(_FORMER)} FROM kept k SEMI JOIN differing d ON d.profile = k.profile"
            )
            first = session.query("SELECT coalesce(max(number) + 1, 0) AS number FROM stored")["number"][0].as_py()
        session.make_in_parts("changed", sql_text(__package__, "profiles_fingerprinted.sql"), "looked_at")
        session.make_in_parts("fresh", sql_text(__package__, "fields.sql"), "changed", params, beside=["habits"])
        rows = session.query(sql_text(__package__, "fields_now.sql"))
        numbers = pa.array(range(first, first + rows.num_rows), pa.int64())
        return Fields(rows.add_column(0, "unique_id", numbers), session.query("SELECT * FROM former"))


def reading_rules(config: IdentityConfig) -> str:
    """A digest of all that decides what is kept of an entity: what was kept under others has to be read anew."""
    texts = [sql_text(__package__, name) for name in ("fields.sql", "blocks.sql", "blocks_capped.sql", "words.csv")]
    habits = str(config.region in _MONTH_FIRST)
    return sha256("\n".join([habits, version("duckdb"), *texts]).encode()).hexdigest()[:12]


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
