"""Who the customers of each service are, from the records that describe them and from their events.

Belongs here: profiles of a service's own customers. Does not belong here: which of them are the same person
(``identity``), and how a key is normalised.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from cx_orchestration.integration.fields import Fields, literal
from cx_orchestration.integration.mapping_sql import Expressions
from cx_orchestration.model.service import ProfileMapping, ServiceDeclaration
from cx_orchestration.model.tables import EVENTS, KEYS, KEYS_SEEN, PROFILES, UTC_MICROSECONDS, landed
from cx_orchestration.model.values import Value
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake, conform

_TEXTS = ("name", "given_name", "family_name", "birth_date", "street", "postcode", "city", "country")
_ATTRIBUTES = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
_RECORDS = pa.schema(
    [
        ("service", pa.string()),
        ("stream", pa.string()),
        ("record_id", pa.string()),
        ("entity", pa.string()),
        ("keys", KEYS),
        ("authenticated_state", pa.string()),
        *[(name, pa.string()) for name in _TEXTS],
        ("attributes", _ATTRIBUTES),
        ("updated_at", UTC_MICROSECONDS),
    ]
)


@dataclass(frozen=True)
class MappedProfiles:
    """``profiles`` has one row a customer of one of the services, with the schema of ``tables.PROFILES``; ``keys`` the
    keys of each, as received, with when and how they were seen (``tables.KEYS_SEEN``)."""

    profiles: pa.Table
    keys: pa.Table


def map_profiles(engine: Engine, lake: Lake, declarations: Mapping[str, ServiceDeclaration]) -> MappedProfiles:
    """Who the customers of the services are, as far as their records and events tell.

    A customer known from events alone has keys, the time of the last event, and nothing else.
    """
    records = [_RECORDS.empty_table()]
    for service, declaration in sorted(declarations.items()):
        for name, stream in declaration.streams.items():
            if stream.profile is not None:
                sql = compile_profiles(service, name, stream.profile)
                found = engine.query(sql, {"landed": lake.scan(landed(service, name))})
                records.append(found.select(_RECORDS.names).cast(_RECORDS))
    inputs: dict[str, Input] = {
        "profile_records": pa.concat_tables(records),
        "events": lake.scan(EVENTS),
        "services": pa.table({"service": pa.array(sorted(declarations), pa.string())}),
    }
    keys = inputs["keys_seen"] = engine.query(sql_text(__package__, "keys_seen.sql"), inputs)
    profiles = engine.query(sql_text(__package__, "profiles.sql"), inputs)
    return MappedProfiles(conform(PROFILES, profiles), conform(KEYS_SEEN, keys))


def compile_profiles(service: str, stream_name: str, profile: ProfileMapping) -> str:
    """The SQL that takes profiles from one stream; its only input is ``landed``."""
    expressions = Expressions(Fields())
    conditions = expressions.all_of(profile.when)
    entity = expressions.text(profile.entity)
    declared: dict[str, Value | None] = {name: getattr(profile, name) for name in _TEXTS}
    texts = [
        f"{expressions.text(value) if value else 'CAST(NULL AS VARCHAR)'} AS {name}" for name, value in declared.items()
    ]
    keys = expressions.pairs(dict(profile.keys), "namespace")
    state = expressions.authenticated_state(profile.authenticated_when, profile.logged_out_when)
    attributes = expressions.pairs(dict(profile.attributes), "name")
    fields = expressions.fields
    return f"""-- {service}/{stream_name}: landed records to what they say about customers, compiled from the mapping.
-- grain: one record, its latest version, of a known entity; none where that says that the record was deleted. Key:
-- record_id. Columns: those of profile_records in profiles.sql.
WITH latest AS (
  SELECT record_id, updated_at, payload, deleted
  FROM landed
  QUALIFY ROW_NUMBER() OVER (PARTITION BY record_id ORDER BY updated_at DESC NULLS LAST, day DESC) = 1
),
documents AS (
  SELECT record_id, updated_at,
    {fields.extraction("payload")} AS document
  FROM latest
  WHERE deleted IS NOT TRUE
),
fields AS (
  SELECT record_id, updated_at,
    {("," + chr(10) + "    ").join(fields.selection("document"))}
  FROM documents
)
SELECT {literal(service)} AS service, {literal(stream_name)} AS stream, record_id, {entity} AS entity,
  {keys} AS keys, {state} AS authenticated_state,
  {("," + chr(10) + "  ").join(texts)},
  {attributes} AS attributes, updated_at
FROM {expressions.steps.over(f"(SELECT * FROM fields WHERE {conditions})")}
WHERE {entity} IS NOT NULL
"""
