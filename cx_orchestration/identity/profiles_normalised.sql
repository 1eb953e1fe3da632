-- Grain: one customer of one service.
-- Keys: service, entity. Columns: those of identity/profiles, where keys holds each usable key once, normalised, ordered
-- by namespace and value, and dropped the namespace and reason of each that will not link, ordered likewise.
-- Inputs: profiles; keys (keys_normalised.sql); seen; verdicts (namespace, value, normal, reason), reason null if nothing
-- is wrong; fingerprints (profiles_fingerprinted.sql).
WITH collected AS (
    SELECT service, entity, list_sort(list({namespace: namespace, value: value})) AS keys
    FROM keys
    GROUP BY service, entity
),
refused AS (
    SELECT s.service, s.entity, list_sort(list({namespace: v.namespace, reason: v.reason})) AS dropped
    FROM seen s
    JOIN verdicts v ON v.namespace = s.namespace AND v.value IS NOT DISTINCT FROM s.value
    WHERE v.reason IS NOT NULL
    GROUP BY s.service, s.entity
)
SELECT p.* REPLACE (coalesce(c.keys, []) AS keys, r.dropped AS dropped, f.fingerprint AS fingerprint)
FROM profiles p
JOIN fingerprints f ON f.service = p.service AND f.entity = p.entity
LEFT JOIN collected c ON c.service = p.service AND c.entity = p.entity
LEFT JOIN refused r ON r.service = p.service AND r.entity = p.entity
ORDER BY p.service, p.entity
