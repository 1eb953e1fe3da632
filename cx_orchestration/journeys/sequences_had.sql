-- Grain: one row of journeys/sequences that goes: its event_id, bucket, week and customer_key.
-- Inputs: sequences (the weeks that can have such events), changed (event_id).
SELECT s.event_id, s.bucket, s.week, s.customer_key
FROM sequences AS s
WHERE s.event_id IN (SELECT event_id FROM changed)
