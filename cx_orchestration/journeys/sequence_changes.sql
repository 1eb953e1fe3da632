-- Grain: one event whose row in journeys/sequences may not be what it was. Column: event_id.
-- Inputs: removed and added (rows of integration/events that only an earlier version has, and only the present one),
-- moved (identity_moves.sql), kept (rows that both versions have).
WITH before AS (
    SELECT
        event_id, type, occurred_at, service, stream, record_id, entity, channel, amount, currency, score, score_kind,
        attributes, day
    FROM removed
),
now AS (
    SELECT
        event_id, type, occurred_at, service, stream, record_id, entity, channel, amount, currency, score, score_kind,
        attributes, day
    FROM added
),
reported AS (
    SELECT event_id FROM (SELECT * FROM before EXCEPT SELECT * FROM now) AS gone
    UNION ALL
    SELECT event_id FROM (SELECT * FROM now EXCEPT SELECT * FROM before) AS come
),
of_others AS (
    SELECT e.event_id FROM kept AS e JOIN moved AS m ON m.service = e.service AND m.entity = e.entity
    UNION ALL
    SELECT e.event_id FROM added AS e JOIN moved AS m ON m.service = e.service AND m.entity = e.entity
)
SELECT event_id FROM reported
UNION
SELECT event_id FROM of_others
