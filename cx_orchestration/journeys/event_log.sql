-- Grain: one event of one journey instance (journey, instance_id, seq), sorted by instance and seq.
-- Columns: case_id (the instance), activity (the event type), timestamp, event_id, journey, customer_id, seq, step, stage,
--   channel, deviation, status (the instance's).
-- Inputs: steps (journeys/steps), instances (journeys/instances).
SELECT
    s.instance_id AS case_id, s.type AS activity, s.occurred_at AS "timestamp", s.event_id, s.journey, s.customer_id,
    s.seq, s.to_state AS step, s.stage, s.channel, s.deviation, i.status
FROM steps AS s
JOIN instances AS i ON i.journey = s.journey AND i.instance_id = s.instance_id
ORDER BY s.journey, s.instance_id, s.seq
