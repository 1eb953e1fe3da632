-- Grain: one known segment value of one customer of those on whom rules are searched (journey, step, customer_id,
--   segment). Columns: segment_value, outcome.
-- Inputs: clusters (clusters.sql), outcomes (journey, step, customer_id, outcome), limits (journey, step, searched_until:
--   eight hexadecimal digits, before which the digests of those come who are searched there).
-- A digest of the customer's id says nothing about the customer, and stays the same.
SELECT c.journey, c.step, c.customer_id, c.segment, c.segment_value, o.outcome
FROM clusters AS c
JOIN outcomes AS o ON o.journey = c.journey AND o.step = c.step AND o.customer_id = c.customer_id
JOIN limits AS l ON l.journey = c.journey AND l.step = c.step
WHERE substr(md5(c.customer_id), 1, 8) < l.searched_until
ORDER BY c.journey, c.step, c.customer_id, c.segment
