-- Grain: one service that has events. Keys: service. Columns: service, events (distinct ones).
-- Inputs: events (integration/events).
SELECT
    service,
    count(DISTINCT event_id) AS events
FROM events
GROUP BY service
ORDER BY service
