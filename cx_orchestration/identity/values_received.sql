-- Grain: one distinct value of a key namespace, as the services write it.
-- Keys: namespace, value. Columns: namespace, value.
-- Input: seen.
SELECT DISTINCT namespace, value
FROM seen
