-- Grain: one event that several landed days report. Keys: event_id. Columns: event_id, day (the newest of them).
-- Input: events.
SELECT event_id, max(day) AS day
FROM events
GROUP BY event_id
HAVING count(*) > 1
