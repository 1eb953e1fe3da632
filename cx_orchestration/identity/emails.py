"""E-mail addresses in one spelling, by the rules of the mailboxes' providers.

Belongs here: reading addresses. Does not belong here: other kinds of keys (``keys.py``), which mailboxes are shared.

Addresses in plain letters are decided by a pattern, for all values at once: the validator agrees on all of them (a test
compares the two) but takes fifty times as long.
"""

import unicodedata
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from cx_orchestration.model.identity import EmailProvider

_ORDINARY = r"^[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:-?[a-z0-9])*\.)+(?P<top>[a-z]{2,})$"
_ORDINARY_LENGTH = 63
_PARTS = r"^(?P<local>.*)@(?P<domain>[^@]*)$"


def normalise_email(value: str) -> str | None:
    """An e-mail address in NFKC and lower case, international domains in Unicode; ``None`` if it is not one.

    The form of RFC 5322 and 6531 is checked, by email-validator; whether the domain exists is not.
    """
    try:
        return _folded(validate_email(_folded(value), check_deliverability=False).normalized)
    except EmailNotValidError:
        return None


def normalise_emails(values: pa.Array, providers: Mapping[str, EmailProvider]) -> pa.Array:
    """``normalise_email`` of each value, and of what one provider takes for one mailbox one spelling; else null."""
    text = pc.utf8_lower(pc.utf8_trim_whitespace(pc.utf8_normalize(values, "NFKC")))
    top = pc.struct_field(pc.extract_regex(text, _ORDINARY), "top")
    special = pc.is_in(top, pa.array(sorted(SPECIAL_USE_DOMAIN_NAMES)))
    short = pc.less_equal(pc.utf8_length(text), _ORDINARY_LENGTH)
    sure = pc.fill_null(pc.and_(pc.and_not(pc.is_valid(top), special), short), False)
    doubtful = pc.and_not(pc.is_valid(values), sure)
    slowly = [normalise_email(value) for value in values.filter(doubtful).to_pylist()]
    addresses = pc.replace_with_mask(pc.if_else(sure, text, None), doubtful, pa.array(slowly, pa.string()))
    return _mailboxes(addresses, providers)


def local_parts(addresses: pa.Array) -> pa.Array:
    """What stands before the ``@``."""
    return pc.struct_field(pc.extract_regex(addresses, _PARTS), "local")


def _mailboxes(addresses: pa.Array, providers: Mapping[str, EmailProvider]) -> pa.Array:
    parts = pc.extract_regex(addresses, _PARTS)
    domain = pc.struct_field(parts, "domain")
    for name, rule in providers.items():
        here = pc.fill_null(pc.is_in(domain, pa.array([name, *rule.same_as])), False)
        if not pc.any(here).as_py():
            continue
        written = pc.struct_field(parts, "local").filter(here)
        local = written
        if rule.sub_address:
            local = pc.list_element(pc.split_pattern(local, rule.sub_address, max_splits=1), 0)
        if rule.ignores_dots:
            local = pc.replace_substring(local, ".", "")
        # "+tag@gmail.com" has nobody before the tag: it stays as it is.
        local = pc.if_else(pc.equal(local, ""), written, local)
        addresses = pc.replace_with_mask(addresses, here, pc.binary_join_element_wise(local, name, "@"))
    return addresses


def _folded(value: str) -> str:
    lower = unicodedata.normalize("NFKC", value).strip().lower()
    return unicodedata.normalize("NFKC", lower)
