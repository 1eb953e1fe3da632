"""Tombstones: how erased persons are recognised by whoever must not bring them back, without a value of theirs.

Belongs here: what a tombstone stands for, its keyed digest, and the question whether something is erased. Does not
belong here: keeping them (``storage/erasures.py``), and what becomes of what is recognised.
"""

import hmac
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a tombstone stands for, and its parts."""

    ENTITY = "entity"  #: service, the customer's id in it
    RECORD = "record"  #: service, stream, record id
    CUSTOMER = "customer"  #: customer id, gone for good
    DOCUMENT = "document"  #: customer id whose derived rows go; what is left of the customer makes new ones
    KEY = "key"  #: namespace, folded value of a key that only this person had
    VALUE = "value"  #: folded value that tells who is meant wherever it stands
    BESIDE = "beside"  #: folded value that means this person where a VALUE stands in the same record
    DIGEST = "digest"  #: namespace or field, digest of a value as the ledger has it


_SEPARATOR = "\x1f"


def fold(value: str) -> str:
    """A value with what two spellings of the same thing may differ in taken out: width, case, outer spaces."""
    return unicodedata.normalize("NFKC", value).casefold().strip()


def joined(*parts: str) -> str:
    """The parts of a tombstone as one text."""
    return _SEPARATOR.join(parts)


def digest(key: bytes, kind: Kind, parts: str) -> str:
    """The tombstone of ``joined`` parts: 64 hexadecimal digits of HMAC-SHA256 (RFC 2104) over kind and parts."""
    return hmac.digest(key, f"{kind}{_SEPARATOR}{parts}".encode("utf-8", "surrogatepass"), "sha256").hex()


@dataclass(frozen=True)
class Tombstones:
    """``erased`` says when each was erased, in microseconds since 1970, by the first 64 bits of its digest: of a
    million tombstones and a million questions one is answered wrongly with a chance of one in 18 million.

    ``lifted`` says in the same way since when an erased entity may be a customer again.
    """

    key: bytes = field(repr=False)
    erased: Mapping[int, int] = field(repr=False)
    lifted: Mapping[int, int] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.erased)

    def when(self, kind: Kind, *parts: str) -> int | None:
        """When this was erased, in microseconds since 1970; ``None`` when it was not."""
        return self.erased.get(number(digest(self.key, kind, joined(*parts))))

    def lifted_at(self, *parts: str) -> int | None:
        """Since when an erased entity may be a customer again, in microseconds since 1970; ``None`` when it may not."""
        return self.lifted.get(number(digest(self.key, Kind.ENTITY, joined(*parts)))) if self.lifted else None


#: Where nobody was ever erased.
NO_TOMBSTONES = Tombstones(b"", {})


def number(digest_of_one: str) -> int:
    """The first 64 bits of a digest."""
    return int(digest_of_one[:16], 16)
