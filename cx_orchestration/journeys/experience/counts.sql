-- Grain: one kind of score in one place (level, journey, map_version, stage, step, layer, score_kind). Levels: step;
--   layer, of all its steps; journey, of all steps; elsewhere, answers of the journey's customers that belong to no step.
-- Columns: n, customers whose answer is on the scale, each with the last one; answers, all that they gave; off_scale,
--   answers that are not on it and count for nothing; good and bad, of the n, by the scale; total and squares of scores.
-- Inputs: answers (answers.sql), instances (journeys/instances), sequences (journeys/sequences), layers (journey,
--   map_version, step, layer), scales (score_kind, lowest, highest, good_from, bad_to).
WITH members AS (
    SELECT DISTINCT journey, customer_id FROM instances
),
elsewhere AS (
    SELECT m.journey, s.event_id, s.customer_id, s.occurred_at, s.score_kind, CAST(s.score AS DOUBLE) AS score
    FROM sequences AS s
    JOIN members AS m ON m.customer_id = s.customer_id
    LEFT JOIN answers AS a ON a.journey = m.journey AND a.event_id = s.event_id
    WHERE s.score IS NOT NULL AND s.score_kind IS NOT NULL AND a.event_id IS NULL
),
placed AS (
    SELECT a.*, l.layer
    FROM answers AS a
    LEFT JOIN layers AS l ON l.journey = a.journey AND l.map_version = a.map_version AND l.step = a.step
),
spread AS (
    SELECT
        'step' AS level, journey, map_version, stage, step, layer,
        customer_id, event_id, occurred_at, score_kind, score
    FROM placed
    UNION ALL
    SELECT
        'layer', journey, map_version, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), layer,
        customer_id, event_id, occurred_at, score_kind, score
    FROM placed
    WHERE layer IS NOT NULL
    UNION ALL
    SELECT
        'journey', journey, map_version, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR),
        customer_id, event_id, occurred_at, score_kind, score
    FROM placed
    UNION ALL
    SELECT
        'elsewhere', journey, CAST(NULL AS BIGINT), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR),
        CAST(NULL AS VARCHAR), customer_id, event_id, occurred_at, score_kind, score
    FROM elsewhere
),
judged AS (
    SELECT
        p.*, CASE WHEN p.score >= s.lowest AND p.score <= s.highest THEN 1 ELSE 0 END AS fits, s.good_from, s.bad_to
    FROM spread AS p
    JOIN scales AS s ON s.score_kind = p.score_kind
),
ranked AS (
    SELECT
        *,
        ROW_NUMBER() OVER (
            PARTITION BY level, journey, map_version, stage, step, layer, score_kind, customer_id, fits
            ORDER BY occurred_at DESC, event_id DESC
        ) AS age
    FROM judged
)
SELECT
    level, journey, map_version, stage, step, layer, score_kind,
    CAST(sum(CASE WHEN fits = 1 AND age = 1 THEN 1 ELSE 0 END) AS BIGINT) AS n,
    CAST(sum(fits) AS BIGINT) AS answers,
    CAST(sum(1 - fits) AS BIGINT) AS off_scale,
    CAST(sum(CASE WHEN fits = 1 AND age = 1 AND score >= good_from THEN 1 ELSE 0 END) AS BIGINT) AS good,
    CAST(sum(CASE WHEN fits = 1 AND age = 1 AND score <= bad_to THEN 1 ELSE 0 END) AS BIGINT) AS bad,
    sum(CASE WHEN fits = 1 AND age = 1 THEN score ELSE 0.0E0 END) AS total,
    sum(CASE WHEN fits = 1 AND age = 1 THEN score * score ELSE 0.0E0 END) AS squares
FROM ranked
GROUP BY level, journey, map_version, stage, step, layer, score_kind
ORDER BY journey, level DESC, map_version, stage, step, layer, score_kind
