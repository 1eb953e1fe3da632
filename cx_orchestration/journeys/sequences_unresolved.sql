-- Grain: one service. Columns: service, events (distinct ones whose newest report names an entity that identity does
-- not know). Inputs: events (integration/events), known (entities that identity knows: service, entity), sequences (of
-- these events those that are in journeys/sequences: event_id).
WITH unknown AS (
    SELECT DISTINCT e.service, e.event_id
    FROM events AS e
    WHERE NOT EXISTS (SELECT 1 FROM known AS m WHERE m.service = e.service AND m.entity = e.entity)
)
SELECT u.service, count(*) AS events
FROM unknown AS u
WHERE NOT EXISTS (SELECT 1 FROM sequences AS s WHERE s.event_id = u.event_id)
GROUP BY u.service
ORDER BY u.service
