"""Identity keys in one spelling: e-mail addresses, phone numbers, ids, by the rules of ``identity.yaml``.

Belongs here: what makes two spellings one key, and which values are no key at all. Does not belong here: who is
linked by a key (``links.py``), which values are shared by too many (``hygiene.py``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.identity.dates import normalise_dates
from cx_orchestration.identity.emails import local_parts, normalise_emails
from cx_orchestration.identity.fingerprints import fingerprints
from cx_orchestration.identity.phones import normalise_phones
from cx_orchestration.model.identity import IdentityConfig, KeyNamespace, Normaliser
from cx_orchestration.model.tables import KEYS_DROPPED, KEYS_SEEN, PROFILES
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import conform

#: Why a key does not link: no value; not what its namespace says; declared a placeholder; namespace not declared.
EMPTY, INVALID, PLACEHOLDER, UNKNOWN_NAMESPACE = "empty", "invalid", "placeholder", "unknown_namespace"

_VERDICTS = pa.schema([(name, pa.string()) for name in ("namespace", "value", "normal", "reason")])

# What forms and programs write where there is no value, and mailboxes that nobody reads.
_NO_VALUES = [
    *("null", "nil", "none", "undefined", "unknown", "n/a", "na", "n.a.", "-", "--", ".", "?", "nan", "tbd"),
    *("(not set)", "(none)", "(null)", "not available", "not provided"),
]
_NO_MAILBOXES = [
    *("noreply", "no-reply", "no.reply", "donotreply", "do-not-reply"),
    *("noemail", "no-email", "nomail", "no-mail", "none", "unknown"),
]
# The end of a number that somebody typed to get past the form.
_TYPED_TO_GET_PAST = "|".join([*(f"{digit}{{6}}" for digit in "0123456789"), "1234567", "9876543"])
# An identifier for advertisers is all zeros when its owner does not want to be followed.
_NO_DEVICE = r"^[0{}-]+$"
_CARD_NUMBER = r"^[0-9]{12,19}$"


@dataclass(frozen=True)
class NormalisedProfiles:
    """``profiles`` has each key once and normalised, ``keys`` the same keys one by one, with when and how they were
    seen (``tables.KEYS_SEEN``).

    Keys with the reason ``empty``, ``invalid`` or ``placeholder`` in the column ``dropped`` are no longer among a
    profile's keys; those of an undeclared namespace (``unknown_namespace``) are, as they came. ``repeated`` tells that
    two profiles cannot be told apart (``fingerprints.Fingerprints``).
    """

    profiles: pa.Table
    keys: pa.Table
    repeated: bool


def normalise_profiles(
    profiles: pa.Table, config: IdentityConfig, *, seen: pa.Table | None = None, engine: Engine | None = None
) -> NormalisedProfiles:
    """The profiles with their keys in one spelling. Normalising twice changes no key.

    ``seen`` are the keys one by one as received (``tables.KEYS_SEEN``); without it they are those of the profiles, seen
    when the profile was updated. Rows come back ordered by service and entity. Each distinct value is looked at once,
    however many hold it.
    """
    engine = engine or Engine()
    rows = conform(PROFILES, profiles)
    seen = conform(KEYS_SEEN, keys_of_profiles(engine, rows) if seen is None else seen)
    told = fingerprints(engine, rows, seen, reading_rules(config))
    rows = rows.set_column(rows.schema.get_field_index("fingerprint"), "fingerprint", told.of_profiles)
    values = engine.query(sql_text(__package__, "values_received.sql"), {"seen": seen})
    inputs: dict[str, Input] = {"profiles": rows, "seen": seen, "verdicts": _verdicts(values, config)}
    keys = engine.query(sql_text(__package__, "keys_normalised.sql"), inputs)
    inputs["keys"] = keys.append_column("place", pa.array(np.arange(keys.num_rows)))
    found = engine.query(sql_text(__package__, "profiles_normalised.sql"), inputs)
    lists = _lists(keys, found["place"], found["held"])
    read = found.drop_columns(["place", "held"]).append_column("keys", lists)
    return NormalisedProfiles(profiles=conform(PROFILES, read), keys=conform(KEYS_SEEN, keys), repeated=told.repeated)


def _lists(keys: pa.Table, place: pa.ChunkedArray, held: pa.ChunkedArray) -> pa.Array:
    """As many keys as each profile ``held``, from its ``place`` on. DuckDB's lists take several times the memory while
    they are made."""
    first, count = place.to_numpy(), held.to_numpy()
    ends = np.cumsum(count)
    total = int(count.sum())
    theirs = keys.select(["namespace", "value"]).take(np.repeat(first - (ends - count), count) + np.arange(total))
    pairs = pa.StructArray.from_arrays(
        [theirs[name].combine_chunks() for name in theirs.column_names], theirs.column_names
    )
    return pa.ListArray.from_arrays(pa.array(np.r_[0, ends], pa.int32()), pairs)


def keys_of_profiles(engine: Engine, profiles: pa.Table) -> pa.Table:
    """The keys of profiles one by one, seen when the profile was updated (``tables.KEYS_SEEN``)."""
    return engine.query(sql_text(__package__, "keys_of_profiles.sql"), {"profiles": profiles})


def count_dropped(engine: Engine, profiles: Input) -> pa.Table:
    """How many keys of normalised profiles will not link and why, by service (``tables.KEYS_DROPPED``)."""
    return conform(KEYS_DROPPED, engine.query(sql_text(__package__, "keys_dropped.sql"), {"profiles": profiles}))


def reading_rules(config: IdentityConfig) -> str:
    """A digest of all that decides how a key is read: rules of ``identity.yaml``, libraries, and this package's code.

    Profiles that were read by others have to be read again.
    """
    rules = config.model_dump_json(
        include={"region": True, "email_providers": True, "namespaces": {"__all__": {"normalise", "ignore"}}}
    )
    libraries = [version(name) for name in ("email-validator", "phonenumbers", "pyarrow")]
    code = [sql_text(__package__, name) for name in ("keys.py", "emails.py", "phones.py", "dates.py")]
    return sha256("\n".join([rules, *libraries, *code]).encode()).hexdigest()


def normalise_values(values: pa.Array, kind: Normaliser, config: IdentityConfig) -> pa.Array:
    """Values of one kind of key in one spelling; null where a value is no key."""
    known: dict[Normaliser, Callable[[pa.Array], pa.Array]] = {
        "email": lambda given: normalise_emails(given, config.mailbox_rules),
        "phone": lambda given: normalise_phones(given, config.region),
        "lower": _folded,
        "exact": pc.utf8_trim_whitespace,
        "number": lambda given: pc.replace_substring_regex(pc.utf8_upper(_folded(given)), r"[\s./_-]+", ""),
        "device": lambda given: pc.replace_substring_regex(_folded(given), r"[{}]", ""),
        # A card's own number is nothing to keep: only what stands for it.
        "card": lambda given: _without(pc.utf8_trim_whitespace(given), _CARD_NUMBER, r"[\s-]+"),
        "date": lambda given: normalise_dates(given, config.region),
    }
    return known[kind](values)


def _without(values: pa.Array, pattern: str, ignored: str) -> pa.Array:
    looks_so = pc.match_substring_regex(pc.replace_substring_regex(values, ignored, ""), pattern)
    return pc.if_else(looks_so, None, values)


def _folded(values: pa.Array) -> pa.Array:
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(pc.utf8_normalize(values, "NFKC")))
    return pc.utf8_normalize(lower, "NFKC")


def _verdicts(values: pa.Table, config: IdentityConfig) -> pa.Table:
    """For each distinct (namespace, value) its normal form and what is wrong with it."""
    parts = [_VERDICTS.empty_table()]
    for namespace in values["namespace"].unique().to_pylist():
        raw = values.filter(pc.equal(values["namespace"], namespace))["value"].combine_chunks()
        normal, reason = _judge(raw, config.namespaces.get(namespace), config)
        columns = [pa.repeat(pa.scalar(namespace, pa.string()), len(raw)), raw, normal, reason]
        parts.append(pa.Table.from_arrays(columns, schema=_VERDICTS))
    return pa.concat_tables(parts)


def _judge(raw: pa.Array, declared: KeyNamespace | None, config: IdentityConfig) -> tuple[pa.Array, pa.Array]:
    """The normal form of each value, null if it is no key, and the reason why it will not link, null if it may."""
    empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(raw), ""), True)
    if declared is None:
        return pc.if_else(empty, None, raw), pc.if_else(empty, EMPTY, UNKNOWN_NAMESPACE)
    normal = normalise_values(raw, declared.normalise, config)
    normal = pc.if_else(pc.equal(normal, ""), None, normal)
    ignored = pa.array(declared.ignore, pa.string())
    alike = pc.drop_null(normalise_values(ignored, declared.normalise, config))
    placeholder = pc.or_(
        pc.is_in(_folded(raw), pa.concat_arrays([_folded(ignored), pa.array(_NO_VALUES)])),
        pc.or_(pc.is_in(normal, alike), pc.fill_null(_stands_for_nothing(normal, declared.normalise), False)),
    )
    normal = pc.if_else(pc.or_(empty, placeholder), None, normal)
    wrong = pc.if_else(placeholder, PLACEHOLDER, pc.if_else(pc.is_null(normal), INVALID, None))
    return normal, pc.if_else(empty, EMPTY, wrong).cast(pa.string())


def _stands_for_nothing(normal: pa.Array, kind: Normaliser) -> pa.Array:
    if kind == "email":
        return pc.is_in(local_parts(normal), pa.array(_NO_MAILBOXES))
    if kind in ("phone", "number"):
        return pc.match_substring_regex(normal, f"(?:{_TYPED_TO_GET_PAST})$")
    if kind == "device":
        return pc.match_substring_regex(normal, _NO_DEVICE)
    return pa.nulls(len(normal), pa.bool_())
