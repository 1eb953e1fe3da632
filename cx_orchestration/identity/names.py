"""Ids that follow from what they name: UUIDs of version 5 (RFC 9562), many at a time.

Belongs here: how the parts of a name become an id. Does not belong here: what is named.
"""

import uuid
from collections.abc import Sequence
from hashlib import sha1

_SEPARATOR = "\x1f"


def uuid5s(namespace: uuid.UUID, *parts: Sequence[str]) -> list[str]:
    """For each position the UUIDv5 of the parts there, joined by the unit separator (U+001F).

    The same as ``str(uuid.uuid5(...))`` for each, without building an object for each.
    """
    start = namespace.bytes
    return [_uuid5(start, _SEPARATOR.join(name)) for name in zip(*parts, strict=True)]


def _uuid5(namespace: bytes, name: str) -> str:
    digest = bytearray(sha1(namespace + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
