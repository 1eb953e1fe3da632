"""Key hygiene: which shared values tell who somebody is, before any link is made.

Belongs here: the profile of each value that several entities hold, and the verdict on it. Does not belong here: which
of its holders a value links (``links.py``), which values are no keys at all (``keys.py``).
"""

import datetime as dt
from hashlib import sha256

import pyarrow as pa

from cx_orchestration.model.identity import IdentityConfig, KeyNamespace
from cx_orchestration.storage.engine import Session, sql_text

#: The least Jaro-Winkler similarity of two spellings of one given name: most single slips in a name of four letters or
#: more keep it, and Anna and Anton (0.63) or Maggie and Margaret (0.78) are left to the model, or to people.
ALIKE = 0.85

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


def judge_values(session: Session, config: IdentityConfig, *, some: bool = False) -> None:
    """What to think of each value that several entities hold.

    The ``session`` has the tables profiles, keys and previous, the verdicts of the run before. It gets holders
    (``holders.sql``), namespaces, and key_values (``key_values.sql``), the verdicts. With ``some`` it has a table
    looked_at (namespace, value), and only those are judged.
    """
    session.keep("namespaces", namespace_rules(config))
    session.keep("role_mailboxes", _role_mailboxes(config))
    if some:
        session.make("held", sql_text(__package__, "keys_of_values.sql"))
    else:
        session.make("held", "SELECT * FROM keys")
    session.make("holders", sql_text(__package__, "holders.sql"))
    session.make("key_values", sql_text(__package__, "key_values.sql"))


def reasons_against(session: Session) -> pa.Table:
    """Why judged values link nobody, by their digests, as ``ledger.REASONS``."""
    return session.query(
        "SELECT digest, 'a value turned out to be ' || why AS why FROM key_values WHERE verdict <> 'links'"
    )


def values_to_keep(session: Session, *, some: bool, now: dt.datetime) -> pa.Table | None:
    """The verdicts as the lake keeps them, where the next run finds what has turned; ``None`` when they all stay."""
    digests = "SELECT namespace, digest_of(namespace, value) AS digest FROM looked_at"
    session.make("judged", digests if some else "SELECT namespace, digest FROM previous")
    turned = session.query(
        "SELECT (SELECT count(*) FROM key_values)"
        " <> (SELECT count(*) FROM previous p SEMI JOIN judged j ON j.namespace = p.namespace AND j.digest = p.digest)"
        " OR (SELECT coalesce(bool_or(changed), false) FROM key_values) AS turned"
    )
    if not turned["turned"][0].as_py():
        return None
    return session.query(sql_text(__package__, "key_values_kept.sql"), {"now": now})


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


def judging_rules(config: IdentityConfig) -> str:
    """A digest of all rules by which values are judged and link."""
    rules = [f"{name} {rule.unique} {_digest(rule)}" for name, rule in sorted(config.namespaces.items())]
    return sha256("\n".join([f"names alike from {ALIKE}", *rules]).encode()).hexdigest()


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
