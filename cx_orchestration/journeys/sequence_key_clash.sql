-- Grain: one key that two customers of a bucket share; there should be none. Input: known (sequence_keys.sql).
SELECT bucket, customer_key
FROM (SELECT DISTINCT bucket, customer_key, customer_id FROM known) AS customers
GROUP BY bucket, customer_key
HAVING count(*) > 1
