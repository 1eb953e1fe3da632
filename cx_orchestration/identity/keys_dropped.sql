-- Grain: one service, namespace and reason why keys of it do not link.
-- Keys: service, namespace, reason. Columns: service, namespace, reason, count (keys, a key of two profiles twice).
-- Inputs: seen; verdicts (namespace, value, normal, reason), reason null if nothing is wrong.
SELECT s.service, v.namespace, v.reason, count(*) AS count
FROM seen s
JOIN verdicts v ON v.namespace = s.namespace AND v.value IS NOT DISTINCT FROM s.value
WHERE v.reason IS NOT NULL
GROUP BY s.service, v.namespace, v.reason
ORDER BY s.service, v.namespace, v.reason
