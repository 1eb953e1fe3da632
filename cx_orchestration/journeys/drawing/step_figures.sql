-- Grain: one step of one journey (journey, step) that an instance has come to, by an event or otherwise: a newer version
--   of the map moved it on, or a part of it stands where parts start.
-- Columns: instances that came there at least once; active, completed and abandoned, the instances whose state it is;
--   judged, those whose wait was over at $as_of, whether they went on meanwhile or not, null for a step without a wait;
--   again, the moves from the step to itself.
-- Inputs: steps (journeys/steps), instances (journeys/instances), maps (journeys/maps), waits (journey, step, wait_us).
--   Parameter: as_of, in microseconds.
WITH stood AS (
    SELECT journey, state AS step, instance_id, map_version FROM instances
    UNION ALL
    SELECT i.journey, w.step, i.instance_id, i.map_version
    FROM instances AS i
    JOIN waits AS w ON w.journey = i.journey AND strpos(' + ' || i.standing || ' + ', ' + ' || w.step || ' + ') > 0
    UNION ALL
    -- A step that an instance left need not be one that an event led to. What it was resumed from is another's.
    SELECT s.journey, s.from_state, s.instance_id, s.map_version
    FROM steps AS s
    JOIN instances AS i ON i.journey = s.journey AND i.instance_id = s.instance_id
    WHERE s.from_state IS NOT NULL AND s.seq > 1 AND s.occurred_at > i.started_at
),
came AS (
    SELECT
        journey, to_state AS step, instance_id, epoch_us(occurred_at) AS at_us,
        CASE WHEN from_state = to_state THEN 1 ELSE 0 END AS again
    FROM steps
    WHERE NOT deviation
    UNION ALL
    -- Without an event it came there when the instance began, or when the version that moved it came into force.
    SELECT
        t.journey, t.step, t.instance_id,
        CASE WHEN m.since > i.started_at THEN epoch_us(m.since) ELSE epoch_us(i.started_at) END, 0
    FROM stood AS t
    JOIN instances AS i ON i.journey = t.journey AND i.instance_id = t.instance_id
    LEFT JOIN maps AS m ON m.journey = t.journey AND m.version = t.map_version
),
once AS (
    SELECT journey, step, instance_id, max(at_us) AS last_at, sum(again) AS again
    FROM came
    GROUP BY journey, step, instance_id
),
told AS (
    SELECT
        o.journey, o.step, o.again, o.last_at, w.wait_us,
        CASE WHEN i.state = o.step THEN i.status END AS status
    FROM once AS o
    LEFT JOIN instances AS i ON i.journey = o.journey AND i.instance_id = o.instance_id
    LEFT JOIN waits AS w ON w.journey = o.journey AND w.step = o.step
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
