-- Grain: one known segment value of one customer of the half on which rules are searched (journey, step, customer_id,
--   segment). Columns: segment_value, outcome.
-- Inputs: clusters (clusters.sql), outcomes (journey, step, customer_id, outcome).
-- The half follows from a digest of the customer's id, which says nothing about the customer, and stays the same.
SELECT c.journey, c.step, c.customer_id, c.segment, c.segment_value, o.outcome
FROM clusters AS c
JOIN outcomes AS o ON o.journey = c.journey AND o.step = c.step AND o.customer_id = c.customer_id
WHERE substr(md5(c.customer_id), 1, 1) < '8'
ORDER BY c.journey, c.step, c.customer_id, c.segment
