-- Grain: one move between two steps of one journey (journey, source, target) that an instance has made; source is null
--   where instances begin.
-- Columns: moves, and median_us, half of them took at most so many microseconds since the instance's move before (in
--   the same part); null for a beginning.
-- Input: steps (journeys/steps).
WITH moves AS (
    SELECT
        journey, from_state, to_state, epoch_us(occurred_at) AS moved_at,
        LAG(epoch_us(occurred_at)) OVER (PARTITION BY journey, instance_id, part ORDER BY seq) AS moved_before
    FROM steps
    WHERE NOT deviation
)
SELECT
    journey, from_state AS source, to_state AS target, count(*) AS moves,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY moved_at - moved_before) AS median_us
FROM moves
GROUP BY journey, from_state, to_state
ORDER BY journey, from_state, to_state
