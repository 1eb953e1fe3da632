-- Grain: one step of one journey (journey, step) that an instance has come to.
-- Columns: instances that came there at least once; active, completed and abandoned, the instances that stand or ended
--   there; again, the moves from the step to itself.
-- Inputs: steps (journeys/steps), instances (journeys/instances).
WITH entered AS (
    SELECT
        journey, to_state AS step,
        count(DISTINCT instance_id) AS instances,
        sum(CASE WHEN from_state = to_state THEN 1 ELSE 0 END) AS again
    FROM steps
    WHERE NOT deviation
    GROUP BY journey, to_state
),
standing AS (
    SELECT
        journey, state AS step,
        sum(CASE WHEN status = 'active' THEN 1 ELSE 0 END) AS active,
        sum(CASE WHEN status = 'completed' THEN 1 ELSE 0 END) AS completed,
        sum(CASE WHEN status = 'abandoned' THEN 1 ELSE 0 END) AS abandoned
    FROM instances
    GROUP BY journey, state
)
SELECT
    e.journey, e.step, e.instances,
    CAST(coalesce(s.active, 0) AS BIGINT) AS active,
    CAST(coalesce(s.completed, 0) AS BIGINT) AS completed,
    CAST(coalesce(s.abandoned, 0) AS BIGINT) AS abandoned,
    CAST(e.again AS BIGINT) AS again
FROM entered AS e
LEFT JOIN standing AS s ON s.journey = e.journey AND s.step = e.step
ORDER BY e.journey, e.step
