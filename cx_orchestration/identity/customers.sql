-- Grain: one customer. Keys: customer_id.
-- Columns: customer_id, document (JSON text, customer.v2.schema.json), entities, events, produced_at, inputs, bucket,
-- changed (whether the document differs from the previous one).
-- Inputs: identity_map; profiles (keys normalised); events; repeated (event_id, day), which report counts of the events
-- that several landed days report; rules (field, rule), how the value of a profile field, an attribute or a key
-- namespace survives, where it is not the most recent one; trust (field, service, position), the services to believe
-- first; previous, the customers as produced before; wanted (customer_id, inputs, bucket), whose documents to make.
-- Parameters: $now (time), $map_version (version of identity_map), $service_ids (the name under which the services' own
-- ids are listed).
-- A document says when it was produced and from which map; both stay what they were while nothing else changes.
WITH chosen AS (
    SELECT m.* FROM identity_map m SEMI JOIN wanted w ON w.customer_id = m.customer_id
),
facts AS (
    SELECT m.customer_id, e.*
    FROM events e
    JOIN chosen m ON m.service = e.service AND m.entity = e.entity
    LEFT JOIN repeated r ON r.event_id = e.event_id
    WHERE r.day IS NULL OR r.day = e.day
),
event_lists AS (
    SELECT customer_id, count(*) AS events,
           string_agg(to_json({
               event_id: event_id,
               type: type,
               occurred_at: strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ'),
               service: service,
               stream: stream,
               record_id: record_id,
               channel: channel,
               amount: amount,
               currency: currency,
               score: CASE WHEN isfinite(score) THEN score ELSE NULL END,
               score_kind: score_kind,
               attributes: coalesce(attributes, '{}')::JSON
           })::VARCHAR, ',' ORDER BY facts.occurred_at, facts.event_id) AS list
    FROM facts
    GROUP BY customer_id
),
members AS (
    SELECT m.customer_id, m.since, p.*
    FROM chosen m JOIN profiles p ON p.service = m.service AND p.entity = m.entity
),
ids AS (
    SELECT customer_id, since, updated_at, service, k.namespace, k.value AS id
    FROM (SELECT customer_id, since, updated_at, service, unnest(keys) AS k FROM members) AS held
    UNION ALL
    SELECT customer_id, since, updated_at, service, $service_ids, entity FROM members
),
ids_counted AS (
    SELECT i.*, r.rule, coalesce(t.position, 2147483647) AS place,
           count(*) OVER (PARTITION BY i.customer_id, i.namespace, i.id) AS often
    FROM ids i
    LEFT JOIN rules r ON r.field = i.namespace
    LEFT JOIN trust t ON t.field = i.namespace AND t.service = i.service
),
ids_ranked AS (
    SELECT customer_id, namespace, id, service, min(since) AS since,
           row_number() OVER (
               PARTITION BY customer_id, namespace
               ORDER BY min(CASE rule WHEN 'most_trusted' THEN place WHEN 'most_frequent' THEN -often ELSE 0 END),
                        max(updated_at) DESC NULLS LAST, min(place), service, id
           ) AS position
    FROM ids_counted
    GROUP BY customer_id, namespace, id, service
),
id_lists AS (
    SELECT customer_id, namespace,
           string_agg(to_json({
               id: id,
               service: service,
               "primary": position = 1,
               since: strftime(since, '%Y-%m-%dT%H:%M:%S.%fZ')
           })::VARCHAR, ',' ORDER BY position) AS list
    FROM ids_ranked
    GROUP BY customer_id, namespace
),
identities AS (
    SELECT customer_id,
           string_agg(to_json(namespace)::VARCHAR || ':[' || list || ']', ',' ORDER BY namespace) AS members
    FROM id_lists
    GROUP BY customer_id
),
said AS (
    SELECT customer_id, service, entity, updated_at, false AS is_attribute, f.field, to_json(trim(f.value)) AS value
    FROM (
        SELECT customer_id, service, entity, updated_at, unnest([
            {field: 'name', value: name},
            {field: 'given_name', value: given_name},
            {field: 'family_name', value: family_name},
            {field: 'birth_date', value: birth_date},
            {field: 'street', value: street},
            {field: 'postcode', value: postcode},
            {field: 'city', value: city},
            {field: 'country', value: country}
        ]) AS f
        FROM members
    ) AS fields
    WHERE trim(f.value) <> ''
    UNION ALL
    SELECT customer_id, service, entity, updated_at, true, a.key, a.value
    FROM (
        SELECT customer_id, service, entity, updated_at,
               unnest(map_entries(from_json(attributes, '"MAP(VARCHAR, JSON)"'))) AS a
        FROM members
    ) AS attributes
    WHERE json_type(a.value) <> 'NULL'
),
said_counted AS (
    SELECT s.*, coalesce(t.position, 2147483647) AS place,
           CASE WHEN r.rule = 'most_trusted' AND min(t.position) OVER said IS NULL THEN 'most_recent'
                ELSE coalesce(r.rule, 'most_recent') END AS rule,
           count(*) OVER (PARTITION BY s.customer_id, s.is_attribute, s.field, s.value::VARCHAR) AS often
    FROM said s
    LEFT JOIN rules r ON r.field = s.field
    LEFT JOIN trust t ON t.field = s.field AND t.service = s.service
    WINDOW said AS (PARTITION BY s.customer_id, s.is_attribute, s.field)
),
said_ranked AS (
    SELECT *,
           row_number() OVER (
               PARTITION BY customer_id, is_attribute, field
               ORDER BY CASE rule WHEN 'most_trusted' THEN place WHEN 'most_frequent' THEN -often ELSE 0 END,
                        updated_at DESC NULLS LAST, place, service, entity
           ) AS position
    FROM said_counted
),
surviving AS (
    SELECT customer_id, is_attribute, field,
           to_json(field)::VARCHAR || ':' || to_json({
               value: value,
               service: service,
               entity: entity,
               updated_at: strftime(updated_at, '%Y-%m-%dT%H:%M:%S.%fZ'),
               rule: rule
           })::VARCHAR AS member
    FROM said_ranked
    WHERE position = 1
),
profile_members AS (
    SELECT customer_id,
           string_agg(CASE WHEN is_attribute THEN NULL ELSE member || ',' END, '' ORDER BY field) AS fields,
           string_agg(CASE WHEN is_attribute THEN member ELSE NULL END, ',' ORDER BY field) AS attributes
    FROM surviving
    GROUP BY customer_id
),
customers AS (
    SELECT customer_id, count(*) AS entities FROM chosen GROUP BY customer_id
),
bodies AS (
    SELECT c.customer_id, c.entities, coalesce(e.events, 0) AS events,
           '{"_id":{"customer_id":' || to_json(c.customer_id)::VARCHAR
               || '},"platformHeader":{"schema_version":"2","api_version":"1",' AS head,
           '},"identity":{' || coalesce(i.members, '')
               || '},"profile":{' || coalesce(p.fields, '') || '"attributes":{' || coalesce(p.attributes, '')
               || '}},"events":[' || coalesce(e.list, '') || ']}' AS tail
    FROM customers c
    LEFT JOIN event_lists e ON e.customer_id = c.customer_id
    LEFT JOIN identities i ON i.customer_id = c.customer_id
    LEFT JOIN profile_members p ON p.customer_id = c.customer_id
),
compared AS (
    SELECT b.*, v.produced_at AS old_produced_at, v.document ->> '$.platformHeader.produced_at' AS old_stamp,
           v.document ->> '$.platformHeader.map_version' AS old_map_version,
           coalesce(v.document = b.head || '"produced_at":"' || old_stamp || '","map_version":' || old_map_version
               || b.tail, false) AS same
    FROM bodies b LEFT JOIN previous v ON v.customer_id = b.customer_id
)
SELECT c.customer_id, entities, events, NOT same AS changed, w.inputs, w.bucket,
       head || '"produced_at":"'
           || CASE WHEN same THEN old_stamp ELSE strftime($now::TIMESTAMPTZ, '%Y-%m-%dT%H:%M:%S.%fZ') END
           || '","map_version":' || CASE WHEN same THEN old_map_version ELSE $map_version::VARCHAR END
           || tail AS document,
       CASE WHEN same THEN old_produced_at ELSE $now::TIMESTAMPTZ END AS produced_at
FROM compared c JOIN wanted w ON w.customer_id = c.customer_id
ORDER BY w.bucket, c.customer_id
