-- Grain: one pair of entities that hold the same value of a strong key, under the rule of its namespace.
-- Keys: left_service, left_entity, right_service, right_entity, rule; left sorts before right.
-- Columns: the keys and evidence (JSON: namespace, and the digests of the values both hold).
-- Inputs: profiles (keys normalised); namespaces (namespace, max_entities), the strong ones; standing, the ledger's
-- current links. Each value has a hub, to which its other holders are linked: the entity to which the ledger already
-- links most of them, so that a new holder adds one link and moves none.
WITH held AS (
    SELECT DISTINCT h.service, h.entity, h.k.namespace, h.k.value
    FROM (SELECT service, entity, unnest(keys) AS k FROM profiles) AS h
    JOIN namespaces n ON n.namespace = h.k.namespace
),
linking AS (
    SELECT h.namespace, h.value, left(sha256(h.namespace || chr(31) || h.value), 32) AS digest
    FROM held h JOIN namespaces n ON n.namespace = h.namespace
    GROUP BY h.namespace, h.value, n.max_entities
    HAVING count(*) BETWEEN 2 AND n.max_entities
),
members AS (
    SELECT l.digest, h.namespace, h.service, h.entity
    FROM held h JOIN linking l ON l.namespace = h.namespace AND l.value = h.value
),
ledger AS (
    SELECT left_service, left_entity, right_service, right_entity,
           unnest(json_extract_string(evidence, '$.digests[*]')) AS digest
    FROM standing
),
degrees AS (
    SELECT digest, service, entity, count(*) AS degree
    FROM (
        SELECT digest, left_service AS service, left_entity AS entity FROM ledger
        UNION ALL
        SELECT digest, right_service, right_entity FROM ledger
    ) AS ends
    GROUP BY digest, service, entity
),
ranked AS (
    SELECT m.digest, m.namespace, m.service, m.entity,
           row_number() OVER (
               PARTITION BY m.digest ORDER BY coalesce(d.degree, 0) DESC, m.service, m.entity
           ) AS position
    FROM members m
    LEFT JOIN degrees d ON d.digest = m.digest AND d.service = m.service AND d.entity = m.entity
),
stars AS (
    SELECT m.namespace, m.digest,
           (h.service, h.entity) < (m.service, m.entity) AS hub_first,
           h.service AS hub_service, h.entity AS hub_entity, m.service, m.entity
    FROM ranked m JOIN ranked h ON h.digest = m.digest AND h.position = 1
    WHERE m.position > 1
),
pairs AS (
    SELECT CASE WHEN hub_first THEN hub_service ELSE service END AS left_service,
           CASE WHEN hub_first THEN hub_entity ELSE entity END AS left_entity,
           CASE WHEN hub_first THEN service ELSE hub_service END AS right_service,
           CASE WHEN hub_first THEN entity ELSE hub_entity END AS right_entity,
           namespace, digest
    FROM stars
)
SELECT left_service, left_entity, right_service, right_entity,
       'exact:' || namespace AS rule,
       to_json({namespace: namespace, digests: list(digest ORDER BY digest)})::VARCHAR AS evidence
FROM pairs
GROUP BY left_service, left_entity, right_service, right_entity, namespace
ORDER BY left_service, left_entity, right_service, right_entity, rule
