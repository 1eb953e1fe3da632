-- Grain: one key that a customer would share with another one of its bucket; there should be none.
-- Inputs: known (sequence_keys.sql), sequences (journeys/sequences).
SELECT DISTINCT k.bucket, k.customer_key
FROM known AS k
JOIN sequences AS s ON s.bucket = k.bucket AND s.customer_key = k.customer_key
WHERE s.customer_id <> k.customer_id
