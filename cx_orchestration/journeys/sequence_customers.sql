-- Grain: one of some customers who has events. Columns: bucket, customer_key, events, first_id and last_id (the first and
-- the last customer_id with this key, which are the same unless two customers share it).
-- Inputs: wanted (bucket, customer_key), sequences (journeys/sequences).
SELECT s.bucket, s.customer_key, count(*) AS events, min(s.customer_id) AS first_id, max(s.customer_id) AS last_id
FROM sequences AS s
WHERE EXISTS (SELECT 1 FROM wanted AS w WHERE w.bucket = s.bucket AND w.customer_key = s.customer_key)
GROUP BY s.bucket, s.customer_key
