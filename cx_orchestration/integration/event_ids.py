"""The id of a customer event: a UUIDv5 of service, stream, record and event type, for one event and for many.

Belongs here: the two ways to the same text. For many SQL takes the digests and NumPy lays them out, five times faster
than SQL would.
"""

import uuid

import pyarrow as pa

from cx_orchestration.integration.fields import literal
from cx_orchestration.model.uuid5 import as_uuid5

#: The namespace of all event ids (RFC 9562, 5.5). It must never change: reruns would give every fact another id.
EVENT_NAMESPACE = uuid.UUID("6c1a3f0e-7d5b-5f43-9a52-0c9d4be8a7f1")


def event_id(service: str, stream: str, record_id: str, event_type: str) -> str:
    """The same fact always gets the same id. Only a record id may contain ``|``, so no two names are alike."""
    return str(uuid.uuid5(EVENT_NAMESPACE, f"{service}|{stream}|{record_id}|{event_type}"))


def digest_sql(service: str, stream: str, record_id: str, event_type: str) -> str:
    """SQL for the SHA-1 that the id is made of, as 40 hexadecimal digits; the last two name columns."""
    name = f"concat({literal(f'{service}|{stream}|')}, {record_id}, '|', {event_type})"
    return f"sha1(unhex('{EVENT_NAMESPACE.hex}') || encode({name}))"


def event_ids(digests: pa.ChunkedArray) -> pa.ChunkedArray:
    """The ids as text, of digests as ``digest_sql`` gives them; none of them null."""
    return as_uuid5(digests)
