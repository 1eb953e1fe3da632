-- Grain: one event type that another one follows (source, target) in the sequences of some customers, once those types
--   are left out that are no steps.
-- Columns: customers; slow_us, nineteen of twenty times it took at most so many microseconds.
-- Inputs: sequences (journeys/sequences), steps (type).
WITH kept AS (
    SELECT s.customer_id, s.type, epoch_us(s.occurred_at) AS happened_at, s.event_id
    FROM sequences AS s
    JOIN steps AS k ON k.type = s.type
),
followed AS (
    SELECT
        customer_id, type AS source,
        LEAD(type) OVER (PARTITION BY customer_id ORDER BY happened_at, event_id) AS target,
        LEAD(happened_at) OVER (PARTITION BY customer_id ORDER BY happened_at, event_id) - happened_at AS waited
    FROM kept
)
SELECT
    source, target,
    count(DISTINCT customer_id) AS customers,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY waited) AS slow_us
FROM followed
WHERE target IS NOT NULL
GROUP BY source, target
ORDER BY source, target
