"""One record of a stream as it will land: its id, its time, its payload.

Belongs here: reading those three from a parsed record. Does not belong here: where records come from, and their days.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from cx_orchestration.integration.paths import MISSING, parse_path
from cx_orchestration.integration.times import Micros, time_reader, times_reader
from cx_orchestration.model.values import Time, Value

_LARGEST_EXACT_FLOAT = 2.0**53


class Record(NamedTuple):
    """``updated_at`` is in microseconds since 1970, ``None`` where the record has no readable time; ``payload`` is
    JSON text with the keys in the order received; ``deleted`` says that the record is gone, not how it is now."""

    record_id: str
    updated_at: Micros
    payload: str
    deleted: bool = False


#: Records that came together, and the day they belong to where that is not the one of their time.
Batch = tuple[list[Record], dt.date | None]


def record_reader(record_id: Value, updated_at: Time | None) -> Callable[[Any, bool], Record]:
    """A function from a parsed record, and whether its page was proper JSON, to the record that lands.

    A record without a readable id lands under the SHA-256 of its payload: it is not lost, reruns give it the same id,
    and the mapping puts it in quarantine.
    """
    identify = text_reader(record_id)
    time_of = time_reader(updated_at) if updated_at else _no_time

    def read(record: Any, exact: bool) -> Record:
        payload = _exact_payload(record) if exact else _payload(record)
        found = identify(record)
        if found is None or not _is_unicode(found):
            found = "sha256:" + hashlib.sha256(payload.encode()).hexdigest()
        return Record(found, time_of(record), payload)

    return read


def records_reader(record_id: Value, updated_at: Time | None) -> Callable[[Sequence[Any], bool], list[Record]]:
    """``record_reader`` for the records of a page at once, in their order.

    A page without anything odd costs half: its columns are read one after the other.
    """
    read = record_reader(record_id, updated_at)
    identify_all = _texts_reader(record_id)
    times_of = times_reader(updated_at) if updated_at else _no_times

    def read_all(records: Sequence[Any], exact: bool) -> list[Record]:
        if exact:
            ids = [found for found in identify_all(records) if found is not None]
            if len(ids) == len(records) and "".join(ids).isascii():
                try:
                    payloads = [orjson.dumps(record).decode() for record in records]
                except orjson.JSONEncodeError:  # nested more than 254 deep
                    return [read(record, exact) for record in records]
                return list(map(Record, ids, times_of(records), payloads))
        return [read(record, exact) for record in records]

    return read_all


def _no_time(_: Any) -> Micros:
    return None


def _no_times(records: Sequence[Any]) -> list[Micros]:
    return [None] * len(records)


def parse_json(text: bytes) -> tuple[Any, bool] | None:
    """The document, and whether it was proper JSON; ``None`` when it is none at all.

    NaN and lone surrogates are let in: one such record must not take its page or file along.
    """
    try:
        return orjson.loads(text), True
    except orjson.JSONDecodeError:
        try:
            return json.loads(text), False
        except (ValueError, RecursionError):
            return None


def _exact_payload(record: Any) -> str:
    try:
        return orjson.dumps(record).decode()
    except orjson.JSONEncodeError:  # nested more than 254 deep
        return _escaped(record)


def _payload(record: Any) -> str:
    """The same text whatever page a record came on: only a record that is no proper JSON keeps an escaped form."""
    text = _escaped(record)
    try:
        return _exact_payload(orjson.loads(text))
    except orjson.JSONDecodeError:
        return text


def _escaped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def text_reader(value: Value) -> Callable[[Any], str | None]:
    """A ``Value`` evaluated in Python, as far as ids need it; empty text counts as nothing."""
    source = _source_reader(value)
    if value.map is None and value.default is None:
        return lambda record: source(record) or None

    def read(record: Any) -> str | None:
        text = source(record)
        if text is not None and value.map is not None:
            text = value.map.get(text)
        return text or value.default or None

    return read


def _texts_reader(value: Value) -> Callable[[Sequence[Any]], Iterable[str | None]]:
    """``text_reader`` for the records of a page at once: a text under one name costs no call a record."""
    read = text_reader(value)
    if value.path is None or value.map is not None or value.default is not None:
        return lambda records: map(read, records)
    path = parse_path(value.path)

    def read_all(records: Sequence[Any]) -> Iterable[str | None]:
        found = path.column(records)
        return found if set(map(type, found)) == {str} and "" not in found else map(read, records)

    return read_all


def _source_reader(value: Value) -> Callable[[Any], str | None]:
    if value.path is not None:
        value_of = parse_path(value.path).reader()
        return lambda record: found if type(found := value_of(record)) is str else text_of(found)
    if value.const is not None:
        constant = text_of(value.const)
        return lambda _: constant
    parts = [text_reader(part) for part in value.coalesce or value.concat or []]
    if value.coalesce is not None:
        return lambda record: next((text for part in parts if (text := part(record)) is not None), None)

    def joined(record: Any) -> str | None:
        texts = [part(record) for part in parts]
        return None if None in texts else "".join(text for text in texts if text is not None)

    return joined


def text_of(value: Any) -> str | None:
    """A value as the mapping's SQL would show it. A float beyond 2^53 is no id: different ids may have become it."""
    if value is None or value is MISSING:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not abs(value) < _LARGEST_EXACT_FLOAT:
        return None
    return _escaped(value)
