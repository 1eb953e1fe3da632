-- Grain: one step of one journey (journey, step) that an instance has come to.
-- Columns: instances that came there at least once; active, completed and abandoned, the instances that stand or ended
--   there; judged, those whose wait was over at $as_of, whether they went on meanwhile or not, null for a step without
--   a wait; again, the moves from the step to itself.
-- Inputs: steps (journeys/steps), instances (journeys/instances), waits (journey, step, wait_us). Parameter: as_of,
-- in microseconds.
WITH came AS (
    SELECT
        journey, to_state AS step, instance_id, max(epoch_us(occurred_at)) AS last_at,
        sum(CASE WHEN from_state = to_state THEN 1 ELSE 0 END) AS again
    FROM steps
    WHERE NOT deviation
    GROUP BY journey, to_state, instance_id
),
told AS (
    SELECT
        c.journey, c.step, c.again, c.last_at, w.wait_us,
        CASE WHEN i.state = c.step THEN i.status END AS status
    FROM came AS c
    LEFT JOIN instances AS i ON i.instance_id = c.instance_id
    LEFT JOIN waits AS w ON w.journey = c.journey AND w.step = c.step
)
SELECT
    journey, step,
    count(*) AS instances,
    CAST(sum(CASE WHEN status = 'active' THEN 1 ELSE 0 END) AS BIGINT) AS active,
    CAST(sum(CASE WHEN status = 'completed' THEN 1 ELSE 0 END) AS BIGINT) AS completed,
    CAST(sum(CASE WHEN status = 'abandoned' THEN 1 ELSE 0 END) AS BIGINT) AS abandoned,
    CAST(sum(CASE
        WHEN wait_us IS NULL THEN NULL
        WHEN status = 'abandoned' OR last_at + wait_us < $as_of THEN 1
        ELSE 0
    END) AS BIGINT) AS judged,
    CAST(sum(again) AS BIGINT) AS again
FROM told
GROUP BY journey, step
ORDER BY journey, step
