"""Landed records to customer events: one SQL text a stream, compiled from the declaration, and its two tables.

Belongs here: which rows become events, which are rejected and why, and the commits. Does not belong here: the
expressions of single columns (``mapping_sql.py``).
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.integration.event_ids import digest_sql, event_ids
from cx_orchestration.integration.fields import Fields, literal
from cx_orchestration.integration.mapping_sql import Expressions, Parsed
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import EventMapping, ServiceDeclaration, Stream
from cx_orchestration.model.tables import EVENTS, REJECTED_RECORDS, Table, landed
from cx_orchestration.model.values import Value
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan
from cx_orchestration.storage.slices import Bound

NOT_JSON = "the payload is not JSON"
NOT_AN_OBJECT = "the payload is not an object"
NO_RECORD_ID = "the record id is missing"
REQUIRED_KEY_MISSING = "a required key is missing"
TIME_MISSING = "the time is missing"
TIME_UNREADABLE = "the time cannot be read"
ENTITY_MISSING = "the entity is missing"
AMOUNT_UNREADABLE = "the amount cannot be read"
AMOUNT_WITHOUT_CURRENCY = "there is an amount but no currency"
CURRENCY_UNREADABLE = "the currency is not a code of three letters"
SCORE_UNREADABLE = "the score cannot be read"
NUL = "a value contains the NUL character"

_MONEY = "DECIMAL(18, 4)"


@dataclass
class Mapped:
    """What a mapping gave: events by day and by stream, rejections by reason, and the number of records that no
    declared event fits, which are neither."""

    events: dict[dt.date, int] = field(default_factory=dict)
    by_stream: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    unmapped: int = 0

    @property
    def total(self) -> int:
        return sum(self.events.values())


@dataclass(frozen=True)
class Outcome:
    """What one stream's landed records gave: ``tables.EVENTS``, ``tables.REJECTED_RECORDS``, and how many records no
    declared event fits."""

    events: pa.Table
    rejected: pa.Table
    unmapped: int


def map_events(engine: Engine, lake: Lake, declaration: ServiceDeclaration, days: DayRange, *, run_id: str) -> Mapped:
    """Replace the service's events and rejected records of a range of days by what its landed records give now."""
    service = declaration.service
    mapped = Mapped()
    events, rejected = [EVENTS.empty()], [REJECTED_RECORDS.empty()]
    for name, stream in declaration.streams.items():
        if not stream.events:
            continue
        scan = lake.scan(landed(service, name), {"day": (days.first, days.last)})
        outcome = map_stream(engine, scan, service, name, stream)
        events.append(outcome.events)
        rejected.append(outcome.rejected)
        mapped.by_stream[name] = outcome.events.num_rows
        mapped.unmapped += outcome.unmapped
    found, refused = pa.concat_tables(events), pa.concat_tables(rejected)
    where: dict[str, Bound] = {"service": service, "day": (days.first, days.last)}
    lake.replace(EVENTS, found, where=where, run_id=run_id)
    lake.replace(REJECTED_RECORDS, refused, where=where, run_id=run_id)
    mapped.events = dict.fromkeys(days, 0) | _counts(found["day"])
    mapped.rejected = _counts(refused["reason"])
    return mapped


def map_stream(engine: Engine, scan: Scan, service: str, name: str, stream: Stream) -> Outcome:
    """The events of a stream's landed records, and what was rejected; nothing is written."""
    # Services are mapped side by side, each in a run of its own: a second thread costs a quarter more CPU.
    outcome = engine.query(compile_events(service, name, stream), {"landed": scan}, threads=1)
    of_all = {"service": service, "stream": name}
    return Outcome(_events(outcome, of_all), _rejected(outcome, of_all), pc.sum(outcome["unmapped"]).as_py() or 0)


def compile_events(service: str, stream_name: str, stream: Stream) -> str:
    """The SQL that maps one stream; its only input is ``landed``.

    A row with ``type`` is the outcome of one record under one declared event: an event where ``reasons`` is null, else
    a rejected one with its payload. Without ``type`` it is a record that cannot be read (``reasons``), that no declared
    event fits (``unmapped``), or that only further events fit, which have rows of their own.
    """
    fields = Fields()
    mappings = [
        _Mapping(service, stream_name, stream, mapping, fields, f"m{number}")
        for number, mapping in enumerate(stream.events)
    ]
    # Without a filter, and with one reader only where there is one event, the rows stream through: nothing is kept.
    # Were all readers of "records" to filter it, DuckDB would push the filters into it and take the fields out of each
    # payload once for every mention, which costs eight times as much.
    first, *others = mappings
    branches = [first.sql_with_the_rest([mapping.matched for mapping in mappings]), *[each.sql() for each in others]]
    flags = "".join(f",\n    record_reason IS NULL AND {each.matches} AS {each.matched}" for each in mappings)
    required = [fields.column(path) for path in stream.endpoint.required_keys] if stream.endpoint else []
    texts = ", ".join(fields.names())
    lacks = " OR ".join(f"{column} IS NULL" for column in required)
    lacking = f"CASE WHEN {lacks} THEN {literal(REQUIRED_KEY_MISSING)} ELSE NULL END" if lacks else "NULL"
    return f"""-- {service}/{stream_name}: landed records to customer events, compiled from the declaration.
-- grain: one landed record under one declared event (reasons null: an event; else rejected); and, with type null, one
-- record that the first declared event does not fit (reasons: it cannot be read; unmapped: no event fits it). Key: day,
-- record_id and type. Columns: those of integration/events, but digest for event_id, and without service and stream;
-- then reasons, payload (of rejected records), unmapped.
WITH documents AS (
  SELECT record_id, updated_at, day, payload,
    {fields.extraction("payload")} AS document
  FROM landed
  -- A deleted record gives nothing; a deletion that does not say of what is a record without an id.
  WHERE CASE WHEN deleted THEN record_id = 'sha256:' || sha256(payload) ELSE true END
),
fields AS (
  SELECT record_id, updated_at, day, payload, document IS NULL AS unreadable,
    {("," + chr(10) + "    ").join(fields.selection("document"))}
  FROM documents
),
checked AS (
  SELECT *,
    CASE WHEN NOT (unreadable OR NOT STARTS_WITH(payload, '{{') OR STARTS_WITH(record_id, 'sha256:')
        OR CONTAINS(payload, '\\u0000'){f" OR {lacks}" if lacks else ""}) THEN NULL
      WHEN unreadable AND payload <> 'null' THEN {literal(NOT_JSON)}
      WHEN unreadable OR NOT STARTS_WITH(payload, '{{') THEN {literal(NOT_AN_OBJECT)}
      WHEN STARTS_WITH(record_id, 'sha256:') THEN
        CASE WHEN record_id = 'sha256:' || sha256(payload) THEN {literal(NO_RECORD_ID)} ELSE {lacking} END
      WHEN CONTAINS(concat_ws('', {texts}), chr(0)) THEN {literal(NUL)}
      ELSE {lacking} END AS record_reason
  FROM fields
),
records AS (
  SELECT *{flags}
  FROM checked
)
{(chr(10) + "UNION ALL" + chr(10)).join(branches)}
"""


class _Mapping:
    """One declared event, compiled over the fields that the mappings of a stream share.

    Column ``matched`` is to say of each record whether it fits: the value of ``matches``.
    """

    def __init__(
        self, service: str, stream_name: str, stream: Stream, mapping: EventMapping, fields: Fields, matched: str
    ) -> None:
        self.matched = matched
        self._mapping = mapping
        self._expressions = Expressions(fields)
        expressions = self._expressions
        conditions = expressions.all_of(mapping.when)
        if isinstance(mapping.type, Value):
            event_type = expressions.word(mapping.type)
            self.matches = f"{conditions} AND {event_type} IS NOT NULL"
        else:
            event_type = literal(mapping.type)
            self.matches = conditions
        self._type = expressions.steps.let(1, f"CASE WHEN {matched} THEN {event_type} ELSE NULL END")
        self._occurred_at = self._time(stream)
        self._channel = (
            expressions.text(mapping.channel) if isinstance(mapping.channel, Value) else literal(mapping.channel)
        )
        self._entity = expressions.text(mapping.entity)
        self._amount = expressions.number(mapping.amount, _MONEY) if mapping.amount else None
        self._currency = (
            expressions.steps.let(2, f"UPPER({expressions.text(mapping.currency)})") if mapping.currency else "NULL"
        )
        self._score = self._finite(expressions.number(mapping.score, "DOUBLE")) if mapping.score else None
        self._digest = digest_sql(service, stream_name, "record_id", self._type)
        self._keys = expressions.pairs(dict(mapping.keys), "namespace")
        self._attributes = expressions.json_object(dict(mapping.attributes))
        self._state = expressions.authenticated_state(mapping.authenticated_when, mapping.logged_out_when)

    def sql(self) -> str:
        """One outcome for each record that fits."""
        return self._outcomes(f"(SELECT * FROM records WHERE {self.matched})", self._own_reasons(), "false")

    def sql_with_the_rest(self, matches: list[str]) -> str:
        """One outcome for each record that fits, and a row without type for each other one; those that fit none of
        ``matches`` are unmapped."""
        reasons = (
            f"CASE WHEN record_reason IS NOT NULL THEN [record_reason] "
            f"WHEN {self.matched} THEN {self._own_reasons()} ELSE NULL END"
        )
        return self._outcomes("records", reasons, f"record_reason IS NULL AND NOT ({' OR '.join(matches)})")

    def _outcomes(self, records: str, reasons: str, unmapped: str) -> str:
        mapping, amount, score = self._mapping, self._amount, self._score
        kind = literal(mapping.score_kind) if mapping.score_kind else "NULL"
        listed = self._expressions.steps.let(5, reasons)
        return f"""SELECT {self._digest} AS digest, {self._type} AS type,
  {self._occurred_at.value} AS occurred_at, record_id, {self._channel} AS channel, {self._entity} AS entity,
  {self._keys} AS keys,
  {amount.value if amount else f"CAST(NULL AS {_MONEY})"} AS amount,
  {f"CASE WHEN {amount.value} IS NULL THEN NULL ELSE {self._currency} END" if amount else "NULL"} AS currency,
  {score.value if score else "CAST(NULL AS DOUBLE)"} AS score,
  {f"CASE WHEN {score.value} IS NULL THEN NULL ELSE {kind} END" if score else "NULL"} AS score_kind,
  {self._attributes} AS attributes, day, {self._state} AS authenticated_state, {listed} AS reasons,
  CASE WHEN {listed} IS NULL THEN NULL ELSE payload END AS payload, {unmapped} AS unmapped
FROM {self._expressions.steps.over(records)}"""

    def _time(self, stream: Stream) -> Parsed:
        parsed = self._expressions.time(self._mapping.occurred_at)
        # The same time was read when the record landed.
        return Parsed(parsed.text, "updated_at") if self._mapping.occurred_at == stream.updated_at else parsed

    def _finite(self, parsed: Parsed) -> Parsed:
        finite = f"CASE WHEN ISFINITE({parsed.value}) THEN {parsed.value} ELSE NULL END"
        return Parsed(parsed.text, self._expressions.steps.let(3, finite))

    def _own_reasons(self) -> str:
        """A list of what is wrong with the record as this event, or null."""
        reasons = self._reasons()
        any_reason = " OR ".join(f"({test})" for test, _ in reasons)
        listed = ", ".join(f"CASE WHEN {test} THEN {literal(reason)} ELSE NULL END" for test, reason in reasons)
        return f"CASE WHEN {any_reason} THEN list_filter([{listed}], lambda reason: reason IS NOT NULL) ELSE NULL END"

    def _reasons(self) -> list[tuple[str, str]]:
        when = self._occurred_at
        reasons = [
            (f"{when.value} IS NULL AND {when.text} IS NULL", TIME_MISSING),
            (when.unreadable, TIME_UNREADABLE),
            (f"{self._entity} IS NULL", ENTITY_MISSING),
        ]
        if self._amount:
            reasons += [
                (self._amount.unreadable, AMOUNT_UNREADABLE),
                (f"{self._amount.value} IS NOT NULL AND {self._currency} IS NULL", AMOUNT_WITHOUT_CURRENCY),
                (
                    f"{self._amount.value} IS NOT NULL AND NOT ({self._currency} GLOB '[A-Z][A-Z][A-Z]')",
                    CURRENCY_UNREADABLE,
                ),
            ]
        if self._score:
            reasons.append((self._score.unreadable, SCORE_UNREADABLE))
        return reasons


def _events(outcome: pa.Table, of_all: dict[str, str]) -> pa.Table:
    good = pc.and_(pc.is_valid(outcome["type"]), pc.is_null(outcome["reasons"]))
    found = outcome if pc.all(good).as_py() else outcome.filter(good)
    return _table(EVENTS, found, of_all, event_id=event_ids(found["digest"]))


def _rejected(outcome: pa.Table, of_all: dict[str, str]) -> pa.Table:
    """One row a reason."""
    bad = outcome.filter(pc.is_valid(outcome["reasons"])).combine_chunks()
    rows = bad.take(pc.list_parent_indices(bad["reasons"]))
    return _table(REJECTED_RECORDS, rows, of_all, reason=pc.list_flatten(bad["reasons"]), event_type=rows["type"])


def _table(table: Table, rows: pa.Table, of_all: dict[str, str], **columns: pa.ChunkedArray) -> pa.Table:
    """A table made of rows, of values that all rows share, and of columns that the rows lack."""
    shared = {name: pa.repeat(value, rows.num_rows) for name, value in of_all.items()}
    found = dict(zip(rows.column_names, rows.columns, strict=True)) | shared | columns
    return pa.table({name: found[name] for name in table.schema.names}).cast(table.schema)


def _counts(column: pa.ChunkedArray) -> dict[Any, int]:
    counts = {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}
    return dict(sorted(counts.items()))
