"""Records of erased persons: recognised before they land, and in what has landed.

Belongs here: whose a record is, by its id and by what the mapping of its stream takes from it. Does not belong here:
what it says about others (``mentions.py``), removing rows (``privacy``).

A record is an erased person's when its id, or the customer that any part of the mapping finds in it, was erased: then
it never lands again, whatever its time, unless the erasure of that customer was lifted and the record, with all that it
tells the time of, is newer than that. It is also theirs when it bears one of their keys under another id and is older
than the erasure: the same data under a new name. What is newer is a new customer who happens to be the same person.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from cx_orchestration.integration.mentions import blot
from cx_orchestration.integration.records import Batch, Record, parse_json, text_reader
from cx_orchestration.integration.times import Micros, time_reader
from cx_orchestration.model.service import EventMapping, ProfileMapping, Stream
from cx_orchestration.model.tombstones import Kind, Tombstones, fold
from cx_orchestration.model.values import Value


class Verdict(Enum):
    """What becomes of a record: it stays, it stays without its mentions of erased persons, or it goes."""

    STAYS = auto()
    BLOTTED = auto()
    GOES = auto()


@dataclass(frozen=True)
class Said:
    """What a record says of its customer, by all parts of its stream's mapping: ``keys`` are namespace and value as
    received, ``values`` those of the profile."""

    entities: frozenset[str]
    keys: frozenset[tuple[str, str]]
    values: frozenset[str]
    earliest: Micros

    def is_newer(self, when: int) -> bool:
        """Whether all that tells its time is newer; what tells none is not."""
        return self.earliest is not None and self.earliest > when


_PROFILE = ("name", "given_name", "family_name", "birth_date", "street")

_Reader = Callable[[Any], str | None]


class StreamReader:
    """Reads from the records of one stream whose they are; of a stream that nobody declares any more, nothing."""

    def __init__(self, stream: Stream | None) -> None:
        events = stream.events if stream else []
        profile = stream.profile if stream else None
        mappings: list[EventMapping | ProfileMapping] = [*events, *([profile] if profile else [])]
        self._entities = [text_reader(mapping.entity) for mapping in mappings]
        self._keys = [(name, text_reader(value)) for mapping in mappings for name, value in mapping.keys.items()]
        self._times = [time_reader(event.occurred_at) for event in events]
        self._values = [text_reader(value) for value in _profile_values(profile)]

    def read(self, record: Any, updated_at: Micros) -> Said:
        """``record`` is parsed JSON; the conditions of mappings do not count, since they say what happened."""
        times = [time for time in (updated_at, *(read(record) for read in self._times)) if time is not None]
        return Said(
            entities=frozenset(_found(read(record) for read in self._entities)),
            keys=frozenset((name, value) for name, read in self._keys if (value := read(record)) is not None),
            values=frozenset(_found(read(record) for read in self._values)),
            earliest=min(times, default=None),
        )


class RecordJudge:
    """Recognises erased persons in the records of one stream."""

    def __init__(self, tombstones: Tombstones, service: str, name: str, stream: Stream | None) -> None:
        self._tombstones = tombstones
        self._service = service
        self._name = name
        self._reader = StreamReader(stream)

    def judge(self, record_id: str, updated_at: Micros, payload: str) -> tuple[Verdict, str]:
        """What becomes of a record, and the payload that it stays with."""
        record_erased_at = self._tombstones.when(Kind.RECORD, self._service, self._name, record_id)
        if record_erased_at is not None and not self._tombstones.lifted:
            return Verdict.GOES, payload
        document, _ = parse_json(payload.encode("utf-8", "surrogatepass")) or (None, False)
        said = self._reader.read(document, updated_at)
        erased = [each for each in said.entities if self._tombstones.when(Kind.ENTITY, self._service, each) is not None]
        back_since = [self._tombstones.lifted_at(self._service, entity) for entity in erased]
        if not all(since is not None and said.is_newer(since) for since in back_since):
            return Verdict.GOES, payload
        if record_erased_at is not None and not any(since and since > record_erased_at for since in back_since):
            return Verdict.GOES, payload
        for namespace, value in said.keys:
            erased_at = self._tombstones.when(Kind.KEY, namespace, fold(value))
            if erased_at is not None and not said.is_newer(erased_at):
                return Verdict.GOES, payload
        clean = blot(self._tombstones, payload, before=said.earliest)
        return (Verdict.STAYS, payload) if clean is None else (Verdict.BLOTTED, clean)


class ErasedKeptOut:
    """The records of one stream on their way into the lake, without erased persons; ``dropped`` counts theirs."""

    def __init__(self, tombstones: Tombstones, service: str, name: str, stream: Stream) -> None:
        self.dropped = 0
        self._judge = RecordJudge(tombstones, service, name, stream) if tombstones else None

    def of(self, pages: Iterable[Batch]) -> Iterator[Batch]:
        """The pages without them."""
        if self._judge is None:
            yield from pages
            return
        for records, day in pages:
            judged = [(record, *self._judge.judge(record.record_id, record.updated_at, record.payload))
                      for record in records]  # fmt: skip
            kept = [_with(record, payload) for record, verdict, payload in judged if verdict is not Verdict.GOES]
            self.dropped += len(records) - len(kept)
            yield kept, day


def _with(record: Record, payload: str) -> Record:
    return record if payload is record.payload else record._replace(payload=payload)


def _profile_values(profile: ProfileMapping | None) -> list[Value]:
    declared = [getattr(profile, name) for name in _PROFILE] if profile else []
    return [value for value in declared if value is not None]


def _found(texts: Iterable[str | None]) -> Iterator[str]:
    return (text for text in texts if text is not None)
