"""The id of a customer event: a UUIDv5 of service, stream, record and event type, in Python and in SQL."""

import uuid

#: The namespace of all event ids (RFC 9562, 5.5). It must never change: reruns would give every fact another id.
EVENT_NAMESPACE = uuid.UUID("6c1a3f0e-7d5b-5f43-9a52-0c9d4be8a7f1")


def event_id(service: str, stream: str, record_id: str, event_type: str) -> str:
    """The same fact always gets the same id. Only a record id may contain ``|``, so no two names are alike."""
    return str(uuid.uuid5(EVENT_NAMESPACE, f"{service}|{stream}|{record_id}|{event_type}"))


def uuid5_sql(digest: str) -> str:
    """SQL for a UUIDv5 as text; ``digest`` names a column that holds ``sha1_sql``."""
    # The upper two bits of the 17th digit become 10, the variant.
    variant = f"substr('89ab89ab89ab89ab', instr('0123456789abcdef', substr({digest}, 17, 1)), 1)"
    return (
        f"concat(substr({digest}, 1, 8), '-', substr({digest}, 9, 4), '-5', substr({digest}, 14, 3), '-', "
        f"{variant}, substr({digest}, 18, 3), '-', substr({digest}, 21, 12))"
    )


def sha1_sql(name: str) -> str:
    """SQL for the digest that a UUIDv5 of the text ``name`` is made of, as 40 hexadecimal digits."""
    return f"sha1(unhex('{EVENT_NAMESPACE.hex}') || encode({name}))"
