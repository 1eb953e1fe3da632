-- Grain: one entry into a step (entry), and one of the series that it belongs to (journey, step, segment, segment_value):
--   that of all customers, and of each segment value that was known of the customer at that instant. What says how the
--   visit came about, and not who came, has none: when all have come back, 'yes' would be everybody.
-- Inputs: outcomes (journey, step, customer_id, place, entry: a number of its own), clusters (clusters.sql).
SELECT journey, step, 'all' AS segment, 'customers' AS segment_value, entry
FROM outcomes
UNION ALL
SELECT o.journey, o.step, c.segment, c.segment_value, o.entry
FROM outcomes AS o
JOIN clusters AS c
    ON c.journey = o.journey AND c.step = o.step AND c.customer_id = o.customer_id AND c.place = o.place
WHERE c.segment NOT IN ('came_from', 'came_back')
ORDER BY journey, step, segment, segment_value, entry
