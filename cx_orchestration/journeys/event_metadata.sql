-- Grain: one name that a transition on an event type requires, for the events of that type (type, required).
-- Columns: events, distinct ones; carried, how many of them have a value for the name; share, of the events.
-- Inputs: events (integration/events of one service and some days), requirements (journey, source, type, target,
--   required). amount, currency, channel, score and score_kind are columns; any other name is an attribute.
WITH wanted AS (
    SELECT DISTINCT type, required FROM requirements
),
reported AS (
    -- Several landed days may report one event: the newest counts.
    SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY day DESC, occurred_at DESC) AS report
    FROM events
),
judged AS (
    SELECT
        w.type, w.required,
        CASE w.required
            WHEN 'amount' THEN CAST(e.amount AS VARCHAR)
            WHEN 'currency' THEN e.currency
            WHEN 'channel' THEN e.channel
            WHEN 'score' THEN CAST(e.score AS VARCHAR)
            WHEN 'score_kind' THEN e.score_kind
            ELSE json_extract_string(e.attributes, '$."' || w.required || '"')
        END AS value
    FROM wanted AS w
    JOIN reported AS e ON e.type = w.type
    WHERE e.report = 1
)
SELECT
    type, required,
    count(*) AS events,
    count(CASE WHEN trim(value) <> '' THEN 1 ELSE NULL END) AS carried,
    CAST(1.0 * count(CASE WHEN trim(value) <> '' THEN 1 ELSE NULL END) / count(*) AS DOUBLE) AS share
FROM judged
GROUP BY type, required
ORDER BY type, required
