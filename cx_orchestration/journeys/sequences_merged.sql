-- Grain: one event of some buckets and weeks. Columns and order: those of journeys/sequences.
-- Inputs: kept (the files of those buckets and weeks), changed (event_id), fresh (rows as they are now), wanted
-- (bucket, week).
WITH merged AS (
    SELECT
        customer_id, event_id, type, occurred_at, service, channel, amount, currency, score, score_kind, attributes,
        customer_key, type_code, occurred_us, bucket, week
    FROM kept AS k
    WHERE NOT EXISTS (SELECT 1 FROM changed AS c WHERE c.event_id = k.event_id)
    UNION ALL
    SELECT
        f.customer_id, f.event_id, f.type, f.occurred_at, f.service, f.channel, f.amount, f.currency, f.score,
        f.score_kind, f.attributes, f.customer_key, f.type_code, f.occurred_us, f.bucket, f.week
    FROM fresh AS f
    JOIN wanted AS w ON w.bucket = f.bucket AND w.week = f.week
)
SELECT * FROM merged ORDER BY bucket, week, customer_key, occurred_us, event_id
