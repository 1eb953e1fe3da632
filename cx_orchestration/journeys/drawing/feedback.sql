-- Grain: one kind of score at one step of one journey (journey, step, score_kind) where customers gave any.
-- Columns: n, scores given; mean.
-- Inputs: steps (journeys/steps), instances (journeys/instances), sequences (journeys/sequences).
-- A score belongs to the step where the customer stood: from the move that led there to the next one, and at the last
-- step until the instance was abandoned. Feedback after a completed journey belongs to the step that completed it.
WITH rests AS (
    SELECT
        journey, instance_id, customer_id, to_state AS step, occurred_at AS since,
        LEAD(occurred_at) OVER (PARTITION BY journey, instance_id, part ORDER BY seq) AS moved_on_at
    FROM steps
    WHERE NOT deviation
),
bounded AS (
    SELECT
        r.journey, r.customer_id, r.step, r.since,
        CASE WHEN r.moved_on_at IS NULL AND i.status = 'abandoned' THEN i.ended_at ELSE r.moved_on_at END AS until
    FROM rests AS r
    JOIN instances AS i ON i.journey = r.journey AND i.instance_id = r.instance_id
),
scored AS (
    SELECT customer_id, occurred_at, score_kind, CAST(score AS DOUBLE) AS score FROM sequences WHERE score IS NOT NULL
)
SELECT b.journey, b.step, s.score_kind, count(*) AS n, avg(s.score) AS mean
FROM bounded AS b
JOIN scored AS s
    ON s.customer_id = b.customer_id
    AND s.occurred_at >= b.since
    AND (b.until IS NULL OR s.occurred_at < b.until)
GROUP BY b.journey, b.step, s.score_kind
ORDER BY b.journey, b.step, s.score_kind
