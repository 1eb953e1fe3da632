-- Grain: one name that a transition requires, for the moves of one event type that one service reports
--   (journey, type, service, required).
-- Columns: moves, how many such moves there are; carried, how many of their events carry it; share, of the moves.
-- Inputs: steps (journeys/steps), sequences (journeys/sequences), requirements (journey, source, type, target, required).
-- amount, currency, channel, score and score_kind are the event's columns; any other name is one of its attributes.
WITH moves AS (
    SELECT r.journey, r.type, r.required, s.event_id
    FROM steps AS s
    JOIN requirements AS r
        ON r.journey = s.journey AND r.source = s.from_state AND r.type = s.type AND r.target = s.to_state
    WHERE NOT s.deviation
),
judged AS (
    SELECT
        m.journey, m.type, e.service, m.required,
        CASE m.required
            WHEN 'amount' THEN CAST(e.amount AS VARCHAR)
            WHEN 'currency' THEN e.currency
            WHEN 'channel' THEN e.channel
            WHEN 'score' THEN CAST(e.score AS VARCHAR)
            WHEN 'score_kind' THEN e.score_kind
            ELSE json_extract_string(e.attributes, '$."' || m.required || '"')
        END AS value
    FROM moves AS m
    JOIN sequences AS e ON e.event_id = m.event_id AND e.type = m.type
)
SELECT
    journey, type, service, required,
    count(*) AS moves,
    count(CASE WHEN trim(value) <> '' THEN 1 ELSE NULL END) AS carried,
    CAST(1.0 * count(CASE WHEN trim(value) <> '' THEN 1 ELSE NULL END) / count(*) AS DOUBLE) AS share
FROM judged
GROUP BY journey, type, service, required
ORDER BY journey, type, service, required
