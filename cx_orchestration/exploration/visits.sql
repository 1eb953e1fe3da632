-- Grain: one move of a customer's visit to one step of one journey (journey, step, customer_id, place, event_id).
-- Columns: place of the visit among the customer's to this step, from 1; moved_at; next_at, when the customer moved next, to whatever step and in whatever instance, or null; begins, 1
--   for the move that began the visit; channel of the move; came_from, the step where the customer stood before, or null;
--   came_back, 1 if it is in another instance than the customer's first. Times are microseconds since 1970.
-- Input: steps (journeys/steps). Parameters: $as_of, up to which customers are followed; $every, 1 for every visit, 0 for
--   the first one alone.
-- Moves to the step where the customer already stands belong to the same visit; with $every only within one instance. Where a map has a correlation key or
-- parts, each value of the key and each part is followed by itself.
WITH moves AS (
    SELECT
        journey, customer_id, correlation, part, event_id, seq, to_state AS step, epoch_us(occurred_at) AS moved_at,
        channel, instance_id,
        FIRST_VALUE(instance_id) OVER (
            PARTITION BY journey, customer_id ORDER BY occurred_at, event_id, seq
        ) AS first_instance,
        LAG(to_state) OVER w AS step_before,
        LAG(instance_id) OVER w AS instance_before,
        LEAD(epoch_us(occurred_at)) OVER w AS next_at
    FROM steps
    WHERE NOT deviation AND occurred_at < $as_of
    WINDOW w AS (PARTITION BY journey, customer_id, correlation, part ORDER BY occurred_at, event_id, seq)
),
begun AS (
    SELECT
        *,
        CASE WHEN step = step_before AND (instance_id = instance_before OR $every = 0) THEN 0 ELSE 1 END AS begins
    FROM moves
),
numbered AS (
    SELECT
        *,
        sum(begins) OVER (
            PARTITION BY journey, customer_id, correlation, part
            ORDER BY moved_at, event_id, seq ROWS UNBOUNDED PRECEDING
        ) AS visit
    FROM begun
),
compared AS (
    SELECT
        *,
        DENSE_RANK() OVER (
            PARTITION BY journey, customer_id, step ORDER BY began_at, correlation NULLS FIRST, visit
        ) AS place
    FROM (
        SELECT *, min(moved_at) OVER (PARTITION BY journey, customer_id, correlation, part, visit) AS began_at
        FROM numbered
    ) AS dated
)
SELECT
    journey, step, customer_id, place, event_id, moved_at, next_at, begins,
    channel, step_before AS came_from, CASE WHEN instance_id = first_instance THEN 0 ELSE 1 END AS came_back
FROM compared
WHERE place = 1 OR $every = 1
