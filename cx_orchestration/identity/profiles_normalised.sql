-- Grain: one customer of one service.
-- Keys: service, entity. Columns: those of profiles, where keys holds each usable key once, normalised, ordered by
-- namespace and value.
-- Inputs: profiles; verdicts (namespace, value, normal, reason), one row per distinct raw key, normal null if unusable.
WITH kept AS (
    SELECT DISTINCT h.service, h.entity, v.namespace, v.normal
    FROM (SELECT service, entity, unnest(keys) AS k FROM profiles) AS h
    JOIN verdicts v ON v.namespace = h.k.namespace AND v.value IS NOT DISTINCT FROM h.k.value
    WHERE v.normal IS NOT NULL
),
collected AS (
    SELECT service, entity, list({namespace: namespace, value: normal} ORDER BY namespace, normal) AS keys
    FROM kept
    GROUP BY service, entity
)
SELECT p.* REPLACE (coalesce(c.keys, []) AS keys)
FROM profiles p LEFT JOIN collected c ON c.service = p.service AND c.entity = p.entity
ORDER BY p.service, p.entity
