-- Grain: one size that clusters have. Keys: entities. Columns: entities (in a cluster), customers (clusters that large).
-- Input: identity_map.
SELECT entities, count(*) AS customers
FROM (SELECT customer_id, count(*) AS entities FROM identity_map GROUP BY customer_id) AS clusters
GROUP BY entities
ORDER BY entities
