-- Grain: one distinct value of a key namespace, as the services write it.
-- Keys: namespace, value. Columns: namespace, value.
-- Input: profiles.
SELECT DISTINCT k.namespace, k.value
FROM (SELECT unnest(keys) AS k FROM profiles) AS held
ORDER BY k.namespace, k.value
