-- Grain: one customer of any of some clusters, at the cluster's step (journey, step, customer_id), whether or not the
--   customer counts in the cluster's test.
-- Inputs: candidates (candidates.sql), taken (journey, step, segment, segment_value).
SELECT DISTINCT c.journey, c.step, c.customer_id
FROM candidates AS c
JOIN taken AS t
    ON t.journey = c.journey AND t.step = c.step AND t.segment = c.segment AND t.segment_value = c.segment_value
