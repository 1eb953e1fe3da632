-- Grain: one customer of one service.
-- Keys: service, entity. Columns: those of identity/profiles but keys; dropped, the namespace and reason of each key that
-- will not link, ordered likewise; place and held, where its usable keys begin among all, and how many they are.
-- Inputs: profiles; keys (keys_normalised.sql, in its order, and place: 0 for the first); seen; verdicts (namespace, value,
-- normal, reason), reason null if nothing is wrong.
WITH places AS (
    SELECT service, entity, min(place) AS place, count(*) AS held FROM keys GROUP BY service, entity
),
refused AS (
    SELECT s.service, s.entity, list_sort(list({namespace: v.namespace, reason: v.reason})) AS dropped
    FROM seen s
    JOIN verdicts v ON v.namespace = s.namespace AND v.value IS NOT DISTINCT FROM s.value
    WHERE v.reason IS NOT NULL
    GROUP BY s.service, s.entity
)
SELECT p.* EXCLUDE (keys) REPLACE (r.dropped AS dropped),
       coalesce(k.place, 0) AS place, coalesce(k.held, 0) AS held
FROM profiles p
LEFT JOIN places k ON k.service = p.service AND k.entity = p.entity
LEFT JOIN refused r ON r.service = p.service AND r.entity = p.entity
ORDER BY p.service, p.entity
