-- Grain: one known value of a declared segment of one customer at the first entry into a step
--   (journey, step, customer_id, segment). Columns: segment_value.
-- Inputs: clusters (clusters.sql), segments (journey, segment).
SELECT c.journey, c.step, c.customer_id, c.segment, c.segment_value
FROM clusters AS c
JOIN segments AS s ON s.journey = c.journey AND s.segment = c.segment
ORDER BY c.journey, c.step, c.customer_id, c.segment
