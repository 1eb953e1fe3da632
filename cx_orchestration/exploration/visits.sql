-- Grain: one move of a customer's first visit to one step of one journey (journey, step, customer_id, event_id).
-- Columns: moved_at; next_at, when the customer moved next, to whatever step and in whatever instance, or null; begins, 1
--   for the move that began the visit. Times are microseconds since 1970.
-- Input: steps (journeys/steps). Parameter: $as_of, up to which customers are followed.
-- Moves to the step where the customer already stands belong to the same visit.
WITH moves AS (
    SELECT
        journey, customer_id, event_id, to_state AS step, epoch_us(occurred_at) AS moved_at,
        LAG(to_state) OVER w AS step_before,
        LEAD(epoch_us(occurred_at)) OVER w AS next_at
    FROM steps
    WHERE NOT deviation AND occurred_at < $as_of
    WINDOW w AS (PARTITION BY journey, customer_id ORDER BY occurred_at, event_id)
),
numbered AS (
    SELECT
        *,
        sum(CASE WHEN step = step_before THEN 0 ELSE 1 END) OVER (
            PARTITION BY journey, customer_id ORDER BY moved_at, event_id ROWS UNBOUNDED PRECEDING
        ) AS visit
    FROM moves
),
compared AS (
    SELECT *, min(visit) OVER (PARTITION BY journey, customer_id, step) AS first_visit
    FROM numbered
)
SELECT
    journey, step, customer_id, event_id, moved_at, next_at,
    CASE WHEN step = step_before THEN 0 ELSE 1 END AS begins
FROM compared
WHERE visit = first_visit
