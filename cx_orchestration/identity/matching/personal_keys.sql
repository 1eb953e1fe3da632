-- Grain: one entity that holds a key of a person. Keys: service, entity.
-- Columns: service, entity, keys (list of namespace and value): those that at most max_entities entities hold.
-- Inputs: profiles (keys normalised); namespaces (namespace, max_entities).
WITH held AS (
    SELECT DISTINCT h.service, h.entity, h.k.namespace, h.k.value, a.max_entities
    FROM (SELECT service, entity, unnest(keys) AS k FROM profiles) AS h
    JOIN namespaces a ON a.namespace = h.k.namespace
),
personal AS (
    SELECT namespace, value FROM held GROUP BY namespace, value, max_entities HAVING count(*) <= max_entities
)
SELECT h.service, h.entity, list({namespace: h.namespace, value: h.value} ORDER BY h.namespace, h.value) AS keys
FROM held h SEMI JOIN personal p ON p.namespace = h.namespace AND p.value = h.value
GROUP BY h.service, h.entity
