-- Who the customers of all services are: one row a customer of one service.
-- grain: service, entity (unique). Columns: those of identity/profiles. Keys are as received, not normalised.
-- Inputs: profile_records (service, stream, record_id, entity, keys, name to country, attributes as a list of name and
-- value, updated_at; one row a record, its latest version), events (integration/events), services (service: those asked
-- for), keys_seen (keys_seen.sql).
-- A field is taken from the latest record of the entity that has it; keys are those of all its records and events.
WITH asked_events AS (
  SELECT service, entity, occurred_at
  FROM events
  WHERE service IN (SELECT service FROM services)
),
described AS (
  SELECT service, entity, stream, record_id, name, given_name, family_name, birth_date, street, postcode, city, country,
    attributes, updated_at,
    ROW_NUMBER() OVER (
      PARTITION BY service, entity ORDER BY updated_at NULLS FIRST, stream, record_id
    ) AS age_rank
  FROM profile_records
),
fields AS (
  SELECT service, entity,
    ARG_MAX(name, age_rank) AS name,
    ARG_MAX(given_name, age_rank) AS given_name,
    ARG_MAX(family_name, age_rank) AS family_name,
    ARG_MAX(birth_date, age_rank) AS birth_date,
    ARG_MAX(street, age_rank) AS street,
    ARG_MAX(postcode, age_rank) AS postcode,
    ARG_MAX(city, age_rank) AS city,
    ARG_MAX(country, age_rank) AS country,
    MAX(updated_at) AS updated_at
  FROM described
  GROUP BY service, entity
),
attribute_values AS (
  SELECT service, entity, attribute.name AS attribute_name, ARG_MAX(attribute.value, age_rank) AS attribute_value
  FROM (SELECT service, entity, age_rank, UNNEST(attributes) AS attribute FROM described)
  GROUP BY service, entity, attribute.name
),
attribute_objects AS (
  SELECT service, entity,
    '{' || STRING_AGG(
      CAST(TO_JSON(attribute_name) AS VARCHAR) || ':' || CAST(TO_JSON(attribute_value) AS VARCHAR), ','
      ORDER BY attribute_name
    ) || '}' AS attributes
  FROM attribute_values
  GROUP BY service, entity
),
entities AS (
  SELECT service, entity, MAX(occurred_at) AS last_event_at
  FROM (
    SELECT service, entity, occurred_at FROM asked_events
    UNION ALL
    SELECT service, entity, NULL FROM fields
  )
  GROUP BY service, entity
),
key_lists AS (
  SELECT service, entity,
    LIST_SORT(LIST({'namespace': namespace, 'value': value})) AS keys
  FROM keys_seen
  GROUP BY service, entity
)
SELECT entities.service, entities.entity,
  COALESCE(key_lists.keys, CAST([] AS STRUCT(namespace VARCHAR, value VARCHAR)[])) AS keys,
  fields.name, fields.given_name, fields.family_name, fields.birth_date,
  fields.street, fields.postcode, fields.city, fields.country,
  COALESCE(attribute_objects.attributes, '{}') AS attributes,
  CASE WHEN fields.entity IS NULL THEN entities.last_event_at ELSE fields.updated_at END AS updated_at
FROM entities
LEFT JOIN fields ON fields.service = entities.service AND fields.entity = entities.entity
LEFT JOIN attribute_objects
  ON attribute_objects.service = entities.service AND attribute_objects.entity = entities.entity
LEFT JOIN key_lists ON key_lists.service = entities.service AND key_lists.entity = entities.entity
ORDER BY entities.service, entities.entity
