"""Identity keys in one spelling: e-mail addresses, phone numbers, ids, by the rules of ``identity.yaml``.

Belongs here: what makes two spellings one key, and which values are no key at all. Does not belong here: who is
linked by a key (``links.py``).
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from cx_orchestration.model.identity import IdentityConfig, KeyNamespace, Normaliser
from cx_orchestration.model.tables import PROFILES
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import conform

#: Why a key does not link: no value; not what its namespace says; declared a placeholder; namespace not declared.
EMPTY, INVALID, PLACEHOLDER, UNKNOWN_NAMESPACE = "empty", "invalid", "placeholder", "unknown_namespace"

_VERDICTS = pa.schema([(name, pa.string()) for name in ("namespace", "value", "normal", "reason")])
# Addresses that need no further look. The validator agrees on all of them (a test compares the two) but takes fifty
# times as long, which a million profiles notice.
_ORDINARY_ADDRESS = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:-?[a-z0-9])*\.)+(?P<top>[a-z]{2,})", re.ASCII
)
_ORDINARY_LENGTH = 63


@dataclass(frozen=True)
class NormalisedProfiles:
    """``profiles`` has each key once and normalised; ``dropped`` counts the keys that will not link.

    ``dropped`` has the columns service, namespace, reason, count. Keys with the reason ``empty``, ``invalid`` or
    ``placeholder`` are no longer in ``profiles``; those of an undeclared namespace (``unknown_namespace``) are, as
    they came.
    """

    profiles: pa.Table
    dropped: pd.DataFrame


def normalise_profiles(
    profiles: pa.Table, config: IdentityConfig, *, engine: Engine | None = None
) -> NormalisedProfiles:
    """The profiles with their keys in one spelling. Normalising twice changes nothing.

    Rows come back ordered by service and entity. Each distinct value is looked at once, however many hold it.
    """
    engine = engine or Engine()
    rows = conform(PROFILES, profiles)
    values = engine.query(sql_text(__package__, "key_values.sql"), {"profiles": rows})
    inputs = {"profiles": rows, "verdicts": _verdicts(values, config)}
    return NormalisedProfiles(
        profiles=conform(PROFILES, engine.query(sql_text(__package__, "profiles_normalised.sql"), inputs)),
        dropped=engine.query(sql_text(__package__, "keys_dropped.sql"), inputs).to_pandas(),
    )


def normalise_email(value: str) -> str | None:
    """An e-mail address in NFKC and lower case, international domains in Unicode; ``None`` if it is not one.

    The form of RFC 5322 and 6531 is checked, by email-validator; whether the domain exists is not.
    """
    text = _folded(value)
    match = _ORDINARY_ADDRESS.fullmatch(text)
    if match and len(text) <= _ORDINARY_LENGTH and match["top"] not in SPECIAL_USE_DOMAIN_NAMES:
        return text
    try:
        return _folded(validate_email(text, check_deliverability=False).normalized)
    except EmailNotValidError:
        return None


def normalise_phone(value: str, region: str) -> str | None:
    """A phone number in E.164; ``None`` if it is not a valid number of its country.

    ``region`` is where numbers without a country code belong. An extension stays, as ``;ext=12`` (RFC 3966): the
    desks behind one switchboard are not one person.
    """
    try:
        number = phonenumbers.parse(unicodedata.normalize("NFKC", value), region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    text: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{text};ext={number.extension}" if number.extension else text


def normaliser(kind: Normaliser, region: str) -> Callable[[str], str | None]:
    """The function that brings values of one kind of key into one spelling, or gives ``None`` for what is no key."""
    known: dict[Normaliser, Callable[[str], str | None]] = {
        "email": normalise_email,
        "phone": partial(normalise_phone, region=region),
        "lower": _folded,
        "exact": str.strip,
    }
    return known[kind]


def _folded(value: str) -> str:
    lower = unicodedata.normalize("NFKC", value).strip().lower()
    return unicodedata.normalize("NFKC", lower)


def _verdicts(values: pa.Table, config: IdentityConfig) -> pa.Table:
    """For each distinct (namespace, value) its normal form and what is wrong with it."""
    parts = []
    for namespace in values["namespace"].unique().to_pylist():
        raw = values.filter(pc.equal(values["namespace"], namespace))["value"].to_pylist()
        judged = _judge(raw, config.namespaces.get(namespace), config.region)
        columns = {
            "namespace": [namespace] * len(raw),
            "value": raw,
            "normal": [normal for normal, _ in judged],
            "reason": [reason for _, reason in judged],
        }
        parts.append(pa.table(columns, schema=_VERDICTS))
    return pa.concat_tables(parts) if parts else _VERDICTS.empty_table()


def _judge(values: list[str | None], declared: KeyNamespace | None, region: str) -> list[tuple[str | None, str | None]]:
    normalise = normaliser(declared.normalise, region) if declared else str
    ignored = declared.ignore if declared else []
    placeholders = {_folded(value) for value in ignored}
    placeholders |= {normal for value in ignored if (normal := normalise(value)) is not None}

    def judge(value: str | None) -> tuple[str | None, str | None]:
        if value is None or not value.strip():
            return None, EMPTY
        if declared is None:
            return value, UNKNOWN_NAMESPACE
        if _folded(value) in placeholders:
            return None, PLACEHOLDER
        normal = normalise(value)
        if not normal:
            return None, INVALID
        return (None, PLACEHOLDER) if normal in placeholders else (normal, None)

    return [judge(value) for value in values]
