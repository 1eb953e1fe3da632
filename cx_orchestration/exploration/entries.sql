-- Grain: one customer's first entry into one step of one journey (journey, step, customer_id).
-- Columns: event_id and entered_at of the event that led there; left_at, when the customer first moved on to another
--   step, in whatever instance, or null; position, the step's place, from 1, in the order in which the customer first
--   came to the steps. Times are microseconds since 1970.
-- Input: steps (journeys/steps). Parameter: $as_of, before which the data is complete.
WITH arrivals AS (
    SELECT journey, customer_id, event_id, to_state AS step, epoch_us(occurred_at) AS entered_at
    FROM steps
    WHERE NOT deviation AND (from_state IS NULL OR from_state <> to_state) AND occurred_at < $as_of
),
visits AS (
    SELECT
        journey, step, customer_id, event_id, entered_at,
        LEAD(entered_at) OVER (PARTITION BY journey, customer_id ORDER BY entered_at, event_id) AS left_at,
        ROW_NUMBER() OVER (PARTITION BY journey, customer_id, step ORDER BY entered_at, event_id) AS visit
    FROM arrivals
)
SELECT
    journey, step, customer_id, event_id, entered_at, left_at,
    ROW_NUMBER() OVER (PARTITION BY journey, customer_id ORDER BY entered_at, event_id) AS position
FROM visits
WHERE visit = 1
