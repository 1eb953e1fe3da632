-- Grain: one usable key of one customer of one service.
-- Keys: service, entity, namespace, value. Columns: the keys, value normalised; first_seen, last_seen, state (the best:
-- authenticated, then logged_out, then ambiguous).
-- Inputs: seen; verdicts (namespace, value, normal, reason), one row per distinct raw key, normal null if unusable.
SELECT s.service, s.entity, v.namespace, v.normal AS value,
       min(s.first_seen) AS first_seen, max(s.last_seen) AS last_seen,
       CASE max(CASE s.state WHEN 'authenticated' THEN 2 WHEN 'logged_out' THEN 1 ELSE 0 END)
           WHEN 2 THEN 'authenticated' WHEN 1 THEN 'logged_out' ELSE 'ambiguous'
       END AS state
FROM seen s
JOIN verdicts v ON v.namespace = s.namespace AND v.value IS NOT DISTINCT FROM s.value
WHERE v.normal IS NOT NULL
GROUP BY s.service, s.entity, v.namespace, v.normal
ORDER BY s.service, s.entity, v.namespace, v.normal
