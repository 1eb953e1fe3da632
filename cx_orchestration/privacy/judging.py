"""Which rows of a table are about erased persons, and which mention them: by what the table says of itself.

Belongs here: from a table's ``persons`` to a verdict on its rows. Does not belong here: writing (``storage.rewriting``)
and what a record of a service says (``integration.erased``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.integration.erased import RecordJudge, Verdict
from cx_orchestration.integration.mentions import MAY_MENTION, blot
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.tables import Table
from cx_orchestration.model.tombstones import Kind, Tombstones, joined
from cx_orchestration.storage.rewriting import Edits

_CUSTOMER_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_IN_PAYLOADS = ("record_id", "stream", "updated_at", "payload")


@dataclass
class TableJudge:
    """Judges the rows of one table; it may be called from ``storage.rewriting``."""

    table: Table
    tombstones: Tombstones
    services: Mapping[str, ServiceDeclaration]
    _records: dict[tuple[str, str], RecordJudge] = field(default_factory=dict, init=False)

    @property
    def columns(self) -> list[str]:
        """The columns that it looks at."""
        persons = self.table.persons
        wanted = {name for pair in (*persons.entities, *persons.digests) for name in pair}
        wanted |= {*persons.customers, *persons.texts}
        if persons.payload:
            wanted |= set(_IN_PAYLOADS)
        if persons.dated:
            wanted.add(persons.dated)
        return [name for name in self.table.schema.names if name in wanted and name not in self.table.partition_by]

    def __call__(self, partition: Mapping[str, Any], batch: pa.RecordBatch) -> Edits:
        persons = self.table.persons
        goes = np.zeros(batch.num_rows, bool)
        times = _times(batch, persons.dated)
        for pair in persons.entities:
            entities = _joined(pair, partition, batch)
            goes |= self._are_erased((Kind.ENTITY,), entities) & ~self._are_back(entities, times)
        for pair in persons.digests:
            goes |= self._are_erased((Kind.DIGEST,), _joined(pair, partition, batch))
        for column in persons.customers:
            kinds = (Kind.CUSTOMER,) if persons.once else (Kind.CUSTOMER, Kind.DOCUMENT)
            goes |= self._are_erased(kinds, batch[column])
        texts: dict[int, dict[str, str | None]] = {}
        if persons.payload:
            self._judge_payloads(partition, batch, goes, texts)
        for column in persons.texts:
            self._blot(batch[column], column, times, goes, texts)
        return Edits(goes, texts)

    def _are_erased(self, kinds: tuple[Kind, ...], values: pa.Array) -> np.ndarray:
        encoded = values.dictionary_encode()
        hits = [
            value is not None and any(self.tombstones.when(kind, value) is not None for kind in kinds)
            for value in encoded.dictionary.to_pylist()
        ]
        if not any(hits):
            return np.zeros(len(values), bool)
        found: np.ndarray = np.append(np.array(hits, bool), False)[pc.fill_null(encoded.indices, len(hits)).to_numpy()]
        return found

    def _are_back(self, entities: pa.Array, times: list[int | None] | None) -> np.ndarray:
        """Of whom the erasure was lifted, and what is not known to be older: what tells no time follows from records,
        and is made anew with them."""
        found = np.zeros(len(entities), bool)
        if not self.tombstones.lifted:
            return found
        encoded = entities.dictionary_encode()
        since = [
            None if value is None else self.tombstones.lifted_at(value) for value in encoded.dictionary.to_pylist()
        ]
        for row, code in enumerate(encoded.indices.to_pylist()):
            if code is None or (back := since[code]) is None:
                continue
            found[row] = times is None or ((time := times[row]) is not None and time > back)
        return found

    def _judge_payloads(
        self, partition: Mapping[str, Any], batch: pa.RecordBatch, goes: np.ndarray, texts: dict[int, dict[str, Any]]
    ) -> None:
        of_path = self.table.path.split("/")
        streams = batch["stream"].to_pylist() if "stream" in batch.schema.names else [of_path[-1]] * batch.num_rows
        service = partition.get("service", of_path[-2])
        times = (
            batch["updated_at"].cast(pa.int64()).to_pylist()
            if "updated_at" in batch.schema.names
            else [None] * batch.num_rows
        )
        rows = zip(streams, batch["record_id"].to_pylist(), times, batch["payload"].to_pylist(), strict=True)
        for number, (stream, record_id, time, payload) in enumerate(rows):
            verdict, clean = self._judge_of(service, stream).judge(record_id or "", time, payload or "")
            goes[number] |= verdict is Verdict.GOES
            if verdict is Verdict.BLOTTED:
                texts[number] = {"payload": clean}

    def _judge_of(self, service: str, stream: str) -> RecordJudge:
        declared = self.services.get(service)
        streams = declared.streams if declared else {}
        return self._records.setdefault(
            (service, stream), RecordJudge(self.tombstones, service, stream, streams.get(stream))
        )

    def _blot(
        self,
        values: pa.Array,
        column: str,
        times: list[int | None] | None,
        goes: np.ndarray,
        texts: dict[int, dict[str, Any]],
    ) -> None:
        suspects = pc.fill_null(pc.match_substring_regex(values, MAY_MENTION), False).to_numpy(zero_copy_only=False)
        for number in np.flatnonzero(suspects & ~goes).tolist():
            clean = blot(self.tombstones, values[number].as_py(), before=times[number] if times else None)
            if clean is not None:
                texts.setdefault(number, {})[column] = clean


def names_somebody(tombstones: Tombstones, text: str) -> bool:
    """Whether a text, of a report or the like, mentions an erased person or bears the id of one."""
    ids = _CUSTOMER_ID.findall(text)
    erased = any(tombstones.when(kind, each) is not None for each in ids for kind in (Kind.CUSTOMER, Kind.DOCUMENT))
    return erased or blot(tombstones, text, before=None) is not None


def _times(batch: pa.RecordBatch, dated: str | None) -> list[int | None] | None:
    """When each row is from, in microseconds since 1970; ``None`` where the table does not tell."""
    if dated is None or dated not in batch.schema.names:
        return None
    times: list[int | None] = batch[dated].cast(pa.int64()).to_pylist()
    return times


def _joined(pair: tuple[str, str], partition: Mapping[str, Any], batch: pa.RecordBatch) -> pa.Array:
    first, second = pair
    values = batch[second]
    if first in partition:
        return pc.binary_join_element_wise(str(partition[first]), values, joined("", ""))
    return pc.binary_join_element_wise(batch[first], values, joined("", ""))
