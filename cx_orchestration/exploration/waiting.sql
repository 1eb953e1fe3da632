-- Grain: one customer's first entry into a step, and one of the candidates asked for there (KEY: journey, step, segment,
--   segment_value, customer_id), whether or not the customer is old enough to be judged.
-- Columns: fits, 1 if the customer is in the cluster, 0 if known to be in none of it; waited, microseconds from the entry
--   to the move to another step, or to $as_of if there was none (moved_on 0); until_milestone, likewise to the next
--   milestone (reached).
-- Inputs: entries (entries.sql), candidates (candidates.sql), milestones (journey, step), told (journey, step, segment,
--   segment_value).
WITH reaching AS (
    SELECT e.journey, e.step, e.customer_id, min(m.entered_at) AS milestone_at
    FROM entries AS e
    JOIN entries AS m
        ON m.journey = e.journey AND m.customer_id = e.customer_id AND m.position > e.position
    JOIN milestones AS s ON s.journey = m.journey AND s.step = m.step
    GROUP BY e.journey, e.step, e.customer_id
)
SELECT
    e.journey, e.step, t.segment, t.segment_value, e.customer_id,
    CASE WHEN c.segment_value = t.segment_value THEN 1 ELSE 0 END AS fits,
    coalesce(e.left_at, epoch_us($as_of)) - e.entered_at AS waited,
    CASE WHEN e.left_at IS NULL THEN 0 ELSE 1 END AS moved_on,
    coalesce(r.milestone_at, epoch_us($as_of)) - e.entered_at AS until_milestone,
    CASE WHEN r.milestone_at IS NULL THEN 0 ELSE 1 END AS reached
FROM told AS t
JOIN candidates AS c
    ON c.journey = t.journey AND c.step = t.step AND c.segment = t.segment AND c.counts = 1
    AND (c.rule = '' OR c.rule = t.segment_value)
JOIN entries AS e ON e.journey = c.journey AND e.step = c.step AND e.customer_id = c.customer_id
LEFT JOIN reaching AS r ON r.journey = e.journey AND r.step = e.step AND r.customer_id = e.customer_id
