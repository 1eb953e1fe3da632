-- Grain: one event of some buckets and weeks that stays. Columns and order: those of journeys/sequences.
-- Inputs: there (all files of those buckets and weeks), changed (event_id of those that go).
SELECT
    customer_id, event_id, type, occurred_at, service, channel, amount, currency, score, score_kind, attributes,
    customer_key, type_code, occurred_us, bucket, week
FROM there AS t
WHERE NOT EXISTS (SELECT 1 FROM changed AS c WHERE c.event_id = t.event_id)
ORDER BY bucket, week, customer_key, occurred_us, event_id
