-- Grain: one customer of any of some clusters, at the cluster's step (journey, step, customer_id).
-- Inputs: clusters (clusters.sql), taken (journey, step, segment, segment_value).
SELECT DISTINCT c.journey, c.step, c.customer_id
FROM clusters AS c
JOIN taken AS t
    ON t.journey = c.journey AND t.step = c.step AND t.segment = c.segment AND t.segment_value = c.segment_value
