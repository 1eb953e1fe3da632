-- Grain: one thing that happened to one customer id. Columns: event, customer_id, other_customer_id, entities.
-- Inputs: assigned (ids_assigned.sql); records; claimed; borne (cluster, id, born_at, fresh); aliases.
WITH moves AS (
    SELECT old_customer_id, customer_id, cluster, count(*) AS entities
    FROM assigned
    WHERE old_customer_id <> customer_id
    GROUP BY old_customer_id, customer_id, cluster
)
SELECT 'born' AS event, b.id AS customer_id, NULL::VARCHAR AS other_customer_id, count(*) AS entities
FROM borne b JOIN assigned a ON a.cluster = b.cluster
WHERE b.fresh
GROUP BY b.id
UNION ALL
SELECT CASE WHEN c.id IS NOT NULL THEN 'merged' WHEN f.old_customer_id IS NOT NULL THEN 'restored' ELSE 'split' END,
       CASE WHEN c.id IS NOT NULL OR f.old_customer_id IS NOT NULL THEN m.customer_id ELSE m.old_customer_id END,
       CASE WHEN c.id IS NOT NULL OR f.old_customer_id IS NOT NULL THEN m.old_customer_id ELSE m.customer_id END,
       m.entities
FROM moves m
LEFT JOIN claimed c ON c.id = m.old_customer_id AND c.cluster = m.cluster
LEFT JOIN aliases f ON f.old_customer_id = m.customer_id
UNION ALL
SELECT 'retired', r.customer_id, NULL, count(*)
FROM records r
WHERE r.customer_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM claimed c WHERE c.id = r.customer_id)
GROUP BY r.customer_id
ORDER BY ALL
