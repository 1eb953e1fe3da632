-- Grain: one service, namespace and reason why keys of it do not link.
-- Keys: service, namespace, reason. Columns: service, namespace, reason, count (keys, a key of two profiles twice).
-- Inputs: profiles; verdicts (namespace, value, normal, reason), reason null if nothing is wrong.
SELECT h.service, v.namespace, v.reason, count(*) AS count
FROM (SELECT service, unnest(keys) AS k FROM profiles) AS h
JOIN verdicts v ON v.namespace = h.k.namespace AND v.value IS NOT DISTINCT FROM h.k.value
WHERE v.reason IS NOT NULL
GROUP BY h.service, v.namespace, v.reason
ORDER BY h.service, v.namespace, v.reason
