-- Grain: one service, namespace and reason why keys of it do not link.
-- Keys: service, namespace, reason. Columns: service, namespace, reason, count (keys, a key of two profiles twice).
-- Input: profiles (profiles_normalised.sql).
SELECT service, d.namespace AS namespace, d.reason AS reason, count(*) AS count
FROM (SELECT service, unnest(dropped) AS d FROM profiles) AS refused
GROUP BY service, d.namespace, d.reason
ORDER BY service, d.namespace, d.reason
