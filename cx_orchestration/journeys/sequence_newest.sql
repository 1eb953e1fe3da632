-- Grain: one event that is reported more than once: its newest report. Columns: what tells that report from the others.
-- Input: events (integration/events).
WITH repeated AS (
    SELECT event_id FROM events GROUP BY event_id HAVING count(*) > 1
),
reports AS (
    SELECT
        e.event_id, e.day, e.occurred_at, e.service, e.stream, e.record_id, coalesce(e.entity, '') AS entity,
        ROW_NUMBER() OVER (
            PARTITION BY e.event_id ORDER BY e.day DESC, e.occurred_at DESC, e.service, e.stream, e.record_id, e.entity
        ) AS report
    FROM events AS e
    WHERE e.event_id IN (SELECT event_id FROM repeated)
)
SELECT event_id, day, occurred_at, service, stream, record_id, entity FROM reports WHERE report = 1
