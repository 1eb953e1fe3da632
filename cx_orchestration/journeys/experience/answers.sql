-- Grain: one answer of one journey's customer (journey, event_id) that belongs to a step.
-- Columns: map_version, stage, step, customer_id, occurred_at, score_kind, score.
-- Inputs: steps (journeys/steps), instances (journeys/instances), sequences (journeys/sequences), correlations (journey,
--   name of the attribute that is its map's correlation key). Parameter: $window, in microseconds.
-- The step is the one that the customer had come to last before answering, and had not left, or had left within the
-- window when the instance ended there. An answer that is itself a move belongs to the step that it leads away from. One
-- that carries the correlation key is about the instances of that value alone.
WITH rests AS (
    SELECT
        journey, map_version, instance_id, customer_id, correlation, stage, to_state AS step,
        occurred_at AS since, event_id AS came_by, seq,
        LEAD(occurred_at) OVER w AS moved_on_at,
        LEAD(event_id) OVER w AS moved_on_by
    FROM steps
    WHERE NOT deviation
    WINDOW w AS (PARTITION BY journey, instance_id, part ORDER BY seq)
),
bounded AS (
    SELECT
        r.*, c.name AS correlation_name,
        CASE WHEN r.moved_on_at IS NULL THEN epoch_us(i.ended_at) + $window ELSE NULL END AS last_us
    FROM rests AS r
    JOIN instances AS i ON i.journey = r.journey AND i.instance_id = r.instance_id
    LEFT JOIN correlations AS c ON c.journey = r.journey
),
scored AS (
    SELECT customer_id, event_id, occurred_at, score_kind, CAST(score AS DOUBLE) AS score, attributes
    FROM sequences
    WHERE score IS NOT NULL AND score_kind IS NOT NULL
),
placed AS (
    SELECT
        b.journey, s.event_id, b.map_version, b.stage, b.step, s.customer_id, s.occurred_at, s.score_kind, s.score,
        ROW_NUMBER() OVER (
            PARTITION BY b.journey, s.event_id ORDER BY b.since DESC, b.came_by DESC, b.seq DESC, b.instance_id
        ) AS age
    FROM bounded AS b
    JOIN scored AS s
        ON s.customer_id = b.customer_id
        AND (b.since < s.occurred_at OR (b.since = s.occurred_at AND b.came_by < s.event_id))
        AND (
            b.moved_on_at IS NULL
            OR s.occurred_at < b.moved_on_at
            OR (s.occurred_at = b.moved_on_at AND s.event_id <= b.moved_on_by)
        )
        AND (b.last_us IS NULL OR epoch_us(s.occurred_at) <= b.last_us)
    WHERE b.correlation_name IS NULL
        OR coalesce(json_extract_string(s.attributes, '$.' || b.correlation_name), '') IN ('', b.correlation)
)
SELECT journey, event_id, map_version, stage, step, customer_id, occurred_at, score_kind, score
FROM placed
WHERE age = 1
