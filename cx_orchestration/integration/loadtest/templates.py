"""Landed records made into new ones: the same in all but the record's id and its time.

Belongs here: where id and time stand in a payload, and writing them as the service would. Does not belong here: which
id and time a record gets (``shelf.py``).
"""

import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from cx_orchestration.integration.paths import MISSING, Step, parse_path
from cx_orchestration.integration.records import record_reader
from cx_orchestration.integration.times import zone_of
from cx_orchestration.integration.windows import written
from cx_orchestration.model.endpoint import LastIdPaginator, Window
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import Stream
from cx_orchestration.model.values import Time, Value

# Beyond the ids that services number their records with, and below 2^53, where floats stop being exact.
_FIRST_NUMBER = 10**15
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TEXT_ID = re.compile(r"load-(\d+)")


class Slot(Enum):
    """What stands at a place that changes from record to record."""

    TEXT_ID = "text"
    NUMBER_ID = "number"
    TIME = "time"


@dataclass(frozen=True)
class Template:
    """One payload as JSON text, cut where an id or the time goes: ``parts[0] slots[0] parts[1] ...``."""

    parts: tuple[bytes, ...]
    slots: tuple[Slot, ...]

    def render(self, number: int, time: bytes) -> bytes:
        """The JSON of the record with this number; ``time`` is JSON as well."""
        written_as = {Slot.TEXT_ID: b'"load-%012d"' % number, Slot.NUMBER_ID: b"%d" % (_FIRST_NUMBER + number)}
        pieces = [self.parts[0]]
        for slot, part in zip(self.slots, self.parts[1:], strict=True):
            pieces += [time if slot is Slot.TIME else written_as[slot], part]
        return b"".join(pieces)


def number_of(record_id: str) -> int | None:
    """The number that an id was written from; ``None`` for an id that is none of ours."""
    if text := _TEXT_ID.fullmatch(record_id):
        return int(text[1])
    return int(record_id) - _FIRST_NUMBER if record_id.isdecimal() and int(record_id) >= _FIRST_NUMBER else None


def time_writer(time: Time) -> Callable[[int], bytes]:
    """A function from microseconds since 1970 to the JSON in which the stream's records say that time.

    Where the format is coarser, the time is cut to it.
    """
    how, zone = Window(format=time.format), zone_of(time)
    number = time.format in ("epoch_s", "epoch_ms", "epoch_us")

    def write(micros: int) -> bytes:
        text = written(_EPOCH + dt.timedelta(microseconds=micros), how, zone)
        return text.encode() if number else orjson.dumps(text)

    return write


def templates_of(stream: Stream, updated_at: Time, payloads: Iterable[str]) -> list[Template]:
    """Templates of those payloads that can be given an id and a time; without any, an empty list.

    A payload that is no JSON object, or that has neither where the declaration says, cannot: it landed to be rejected.
    """
    read = record_reader(stream.record_id, stream.updated_at)
    write = time_writer(updated_at)
    found = []
    for payload in payloads:
        template = _template(stream, updated_at, payload)
        if template is None:
            continue
        made = [orjson.loads(template.render(number, write(0))) for number in (1, 2)]
        first, second = (read(record, True) for record in made)
        if first.updated_at is not None and first.record_id != second.record_id:
            found.append(template)
    return found


def require_new_ids(service: str, name: str, stream: Stream) -> None:
    """Raises ``PermanentFailure`` for a stream whose ids cannot be made up: they are constants or translations."""
    if not list(_id_paths(stream.record_id, None)):
        raise PermanentFailure(
            f"{service}/{name}: record_id is made of constants or a 'map' alone, so that a load test cannot give new "
            f"records ids of their own; take it from a field in services/{service}.yaml"
        )


def _template(stream: Stream, updated_at: Time, payload: str) -> Template | None:
    try:
        record = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(record, dict):
        return None
    marks: dict[str, Slot] = {}

    def mark(slot: Slot) -> str:
        text = uuid.uuid4().hex
        marks[text] = slot
        return text

    for path in {*_id_paths(stream.record_id, record), *_cursor_paths(stream)}:
        steps = parse_path(path).steps
        value = parse_path(path).of(record)
        number = isinstance(value, int) and not isinstance(value, bool)
        if not put(record, steps, mark(Slot.NUMBER_ID if number else Slot.TEXT_ID)):
            return None
    if not put(record, parse_path(_time_path(updated_at, record)).steps, mark(Slot.TIME)):
        return None
    pieces = re.split(rb'"([0-9a-f]{32})"', orjson.dumps(record))
    return _cut(pieces, marks)


def _cut(pieces: list[bytes], marks: dict[str, Slot]) -> Template:
    """``pieces`` are texts and, at every odd place, 32 hexadecimal digits: marks, or values that look like one."""
    parts, slots = [pieces[0]], []
    for digits, text in zip(pieces[1::2], pieces[2::2], strict=True):
        slot = marks.get(digits.decode())
        if slot is None:
            parts[-1] += b'"' + digits + b'"' + text
        else:
            slots.append(slot)
            parts.append(text)
    return Template(tuple(parts), tuple(slots))


def put(document: Any, steps: tuple[Step, ...], value: Any) -> bool:
    """Put a value into parsed JSON, making the objects on the way; false where the way leads through something else.

    A list is entered where it has that position, or made longer by one.
    """
    *way, last = steps
    for step, following in zip(way, steps[1:], strict=True):
        inner = _get(document, step)
        if inner is MISSING or inner is None:
            inner = [] if isinstance(following, int) else {}
            if not _set(document, step, inner):
                return False
        document = inner
    return _set(document, last, value)


def _get(document: Any, step: Step) -> Any:
    if isinstance(step, str):
        return document.get(step, MISSING) if isinstance(document, dict) else MISSING
    return document[step] if isinstance(document, list) and step < len(document) else MISSING


def _set(document: Any, step: Step, value: Any) -> bool:
    if isinstance(step, str):
        if not isinstance(document, dict):
            return False
        document[step] = value
        return True
    if not isinstance(document, list) or step > len(document):
        return False
    document[step : step + 1] = [value]
    return True


def _id_paths(value: Value, record: Any) -> Iterator[str]:
    """The paths that an id is read from, as far as what stands there reaches it unchanged; of alternatives, the one
    that holds something in this record, else the first."""
    if value.map is not None or value.scale is not None:
        return
    if value.path is not None:
        yield value.path
    for part in value.concat or ():
        yield from _id_paths(part, record)
    if value.coalesce is not None:
        choices = [paths for part in value.coalesce if (paths := list(_id_paths(part, record)))]
        holding = (
            paths for paths in choices if all(parse_path(path).of(record) not in (None, "", MISSING) for path in paths)
        )
        yield from next(holding, choices[0] if choices else [])


def _cursor_paths(stream: Stream) -> list[str]:
    """Further ids that must be the record's own, because the service is asked to go on behind them."""
    endpoint = stream.endpoint
    if endpoint is None:
        return []
    by_last_id = [endpoint.paginator.id_path] if isinstance(endpoint.paginator, LastIdPaginator) else []
    return by_last_id + ([endpoint.tie_break.id_path] if endpoint.tie_break else [])


def _time_path(time: Time, record: Any) -> str:
    holding = (path for path in time.paths if parse_path(path).of(record) not in (None, "", MISSING))
    return next(holding, time.paths[0])
