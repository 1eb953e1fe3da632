-- Grain: one service and one key namespace that any service has. Keys: service, namespace.
-- Columns: service, namespace, entities (of the service), with_key (of them, those that have such a key), coverage
-- (share), shared (share of the service's entities that have a value which another service has too and which few enough
-- entities hold to link; 0 for weak and undeclared namespaces).
-- Inputs: profiles (keys normalised); namespaces (namespace, max_entities), the strong ones.
WITH held AS (
    SELECT DISTINCT h.service, h.entity, h.k.namespace, h.k.value
    FROM (SELECT service, entity, unnest(keys) AS k FROM profiles) AS h
),
linking AS (
    SELECT h.namespace, h.value
    FROM held h JOIN namespaces n ON n.namespace = h.namespace
    GROUP BY h.namespace, h.value, n.max_entities
    HAVING count(*) <= n.max_entities AND min(h.service) <> max(h.service)
),
counted AS (
    SELECT h.service, h.namespace,
           count(DISTINCT h.entity) AS with_key,
           count(DISTINCT CASE WHEN l.value IS NULL THEN NULL ELSE h.entity END) AS shared
    FROM held h LEFT JOIN linking l ON l.namespace = h.namespace AND l.value = h.value
    GROUP BY h.service, h.namespace
),
services AS (
    SELECT service, count(*) AS entities FROM profiles GROUP BY service
),
seen AS (
    SELECT namespace FROM held UNION SELECT namespace FROM namespaces
)
SELECT s.service, n.namespace, s.entities, coalesce(c.with_key, 0) AS with_key,
       (1.0 * coalesce(c.with_key, 0) / s.entities)::DOUBLE AS coverage,
       (1.0 * coalesce(c.shared, 0) / s.entities)::DOUBLE AS shared
FROM services s CROSS JOIN seen n
LEFT JOIN counted c ON c.service = s.service AND c.namespace = n.namespace
ORDER BY s.service, n.namespace
