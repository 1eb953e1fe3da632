"""Key hygiene: which shared values tell who somebody is, before any link is made.

Belongs here: the profile of each value that several entities hold, and the verdict on it. Does not belong here: which
of its holders a value links (``links.py``), which values are no keys at all (``keys.py``).
"""

import datetime as dt
from dataclasses import dataclass
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.identity.ledger import REASONS
from cx_orchestration.model.identity import IdentityConfig, KeyNamespace
from cx_orchestration.model.tables import KEY_VALUES
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

_RULES = pa.schema(
    [
        ("namespace", pa.string()),
        ("strength", pa.string()),
        ("is_unique", pa.bool_()),
        ("max_entities", pa.int64()),
        ("max_names", pa.int64()),
        ("guards_names", pa.bool_()),
        ("valid_for_days", pa.int64()),
        ("needs_authenticated", pa.bool_()),
        ("rules", pa.string()),
    ]
)
_MAILBOXES = pa.schema([("namespace", pa.string()), ("mailbox", pa.string())])


@dataclass(frozen=True)
class JudgedValues:
    """``holders`` (``holders.sql``) are the entities that hold a value together with others, ``values``
    (``key_values.sql``) those values with the verdict on each."""

    holders: pa.Table
    values: pa.Table

    @property
    def reasons(self) -> pa.Table:
        """Why values link nobody, by their digests, as the ledger wants it."""
        refused = self.values.filter(pc.not_equal(self.values["verdict"], "links"))
        why = pc.binary_join_element_wise("a value turned out to be ", refused["why"], "")
        return pa.table([refused["digest"], why], schema=REASONS)


def judge_values(
    engine: Engine, profiles: Input, keys: Input, config: IdentityConfig, *, previous: Input | None = None
) -> JudgedValues:
    """What to think of each value that several entities hold. ``previous`` are the verdicts of the run before."""
    inputs: dict[str, Input] = {"profiles": profiles, "keys": keys, "namespaces": namespace_rules(config)}
    inputs["role_mailboxes"] = _role_mailboxes(config)
    inputs["previous"] = KEY_VALUES.empty() if previous is None else previous
    inputs["holders"] = holders = engine.query(sql_text(__package__, "holders.sql"), inputs)
    return JudgedValues(holders, engine.query(sql_text(__package__, "key_values.sql"), inputs))


def keep_values(lake: Lake, engine: Engine, judged: JudgedValues, *, now: dt.datetime, run_id: str) -> None:
    """Write the verdicts to the lake, where the next run finds what has turned; what stays as it was is not written."""
    kept = engine.query(sql_text(__package__, "key_values_kept.sql"), {"key_values": judged.values}, {"now": now})
    counted = engine.query("SELECT count(*) AS n FROM previous", {"previous": lake.scan(KEY_VALUES)})
    same = counted["n"][0].as_py() == kept.num_rows and not pc.any(judged.values["changed"]).as_py()
    if not (same and lake.exists(KEY_VALUES)):
        lake.replace(KEY_VALUES, kept, run_id=run_id)


def namespace_rules(config: IdentityConfig) -> pa.Table:
    """The declared namespaces with what SQL needs of their rules: one row each."""
    rows = [
        {
            "namespace": name,
            "strength": rule.strength,
            "is_unique": rule.unique,
            "max_entities": rule.max_entities,
            "max_names": rule.max_names,
            "guards_names": rule.guards_names,
            "valid_for_days": rule.valid_for_days,
            "needs_authenticated": rule.links_when == "authenticated",
            "rules": _digest(rule),
        }
        for name, rule in config.namespaces.items()
    ]
    return pa.Table.from_pylist(rows, schema=_RULES)


def _digest(rule: KeyNamespace) -> str:
    return sha256(rule.model_dump_json(exclude={"ignore", "unique"}).encode()).hexdigest()


def _role_mailboxes(config: IdentityConfig) -> pa.Table:
    rows = [
        {"namespace": name, "mailbox": mailbox.lower()}
        for name, rule in config.namespaces.items()
        if rule.normalise == "email"
        for mailbox in dict.fromkeys(rule.role_mailboxes)
    ]
    return pa.Table.from_pylist(rows, schema=_MAILBOXES)
