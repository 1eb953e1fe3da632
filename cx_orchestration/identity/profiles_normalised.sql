-- Grain: one customer of one service.
-- Keys: service, entity. Columns: those of profiles, where keys holds each usable key once, normalised, ordered by
-- namespace and value.
-- Inputs: profiles; keys (keys_normalised.sql).
WITH collected AS (
    SELECT service, entity, list_sort(list({namespace: namespace, value: value})) AS keys
    FROM keys
    GROUP BY service, entity
)
SELECT p.* REPLACE (coalesce(c.keys, []) AS keys)
FROM profiles p LEFT JOIN collected c ON c.service = p.service AND c.entity = p.entity
ORDER BY p.service, p.entity
