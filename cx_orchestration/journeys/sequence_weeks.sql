-- Grain: one week that has events, in order. Columns: week (as in journeys/sequences), events. Input: events.
WITH timed AS (
    SELECT epoch_us(occurred_at) + 259200000000 AS since_monday FROM events
)
SELECT
    CAST((
        since_monday - (since_monday % 604800000000 + 604800000000) % 604800000000
    ) / 604800000000 AS INTEGER) AS week,
    count(*) AS events
FROM timed
GROUP BY 1
ORDER BY 1
