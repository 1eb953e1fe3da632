-- Grain: one customer who turned to support within $window microseconds after coming to a step, and one candidate that the
--   customer is in (journey, step, segment, segment_value, customer_id); the whole window lies before $as_of.
-- Columns: contacts within the window; type_before, of the customer's last event before the first of them, or null;
--   waited, microseconds from that first contact until a human answered, or until $as_of if none has (answered 0).
-- Inputs: entries (entries.sql), candidates (candidates.sql), support_types and human_types (journey, type), sequences.
WITH asking AS (
    SELECT DISTINCT t.journey, s.customer_id
    FROM sequences AS s
    JOIN support_types AS t ON t.type = s.type
    WHERE s.occurred_at < $as_of
),
around AS (
    SELECT
        a.journey, s.customer_id, s.event_id, s.type, epoch_us(s.occurred_at) AS at,
        LAG(s.type) OVER (PARTITION BY a.journey, s.customer_id ORDER BY s.occurred_at, s.event_id) AS type_before,
        min(CASE WHEN h.type IS NULL THEN NULL ELSE epoch_us(s.occurred_at) END) OVER (
            PARTITION BY a.journey, s.customer_id ORDER BY s.occurred_at, s.event_id
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS answered_at
    FROM sequences AS s
    JOIN asking AS a ON a.customer_id = s.customer_id
    LEFT JOIN human_types AS h ON h.journey = a.journey AND h.type = s.type
    WHERE s.occurred_at < $as_of
),
after_entry AS (
    SELECT
        e.journey, e.step, e.customer_id, c.type_before, c.at, c.answered_at,
        count(*) OVER (PARTITION BY e.journey, e.step, e.customer_id) AS contacts,
        ROW_NUMBER() OVER (PARTITION BY e.journey, e.step, e.customer_id ORDER BY c.at, c.event_id) AS place
    FROM entries AS e
    JOIN around AS c
        ON c.journey = e.journey
        AND c.customer_id = e.customer_id
        AND (c.at > e.entered_at OR (c.at = e.entered_at AND c.event_id > e.event_id))
        AND c.at < e.entered_at + $window
    JOIN support_types AS t ON t.journey = c.journey AND t.type = c.type
    WHERE e.entered_at + $window <= epoch_us($as_of)
)
SELECT
    a.journey, a.step, c.segment, c.segment_value, a.customer_id, a.contacts, a.type_before,
    coalesce(a.answered_at, epoch_us($as_of)) - a.at AS waited,
    CASE WHEN a.answered_at IS NULL THEN 0 ELSE 1 END AS answered
FROM after_entry AS a
JOIN candidates AS c ON c.journey = a.journey AND c.step = a.step AND c.customer_id = a.customer_id
WHERE a.place = 1 AND c.counts = 1 AND c.segment_value <> ''
ORDER BY a.journey, a.step, c.segment, c.segment_value, a.customer_id
