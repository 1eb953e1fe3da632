-- Grain: one distinct event of a known customer (event_id), in [$since, $until) and the buckets $first to $last.
-- Sorted by bucket, week, customer_key, occurred_us, event_id. Columns: those of journeys/sequences.
-- Inputs: events (integration/events), newest (sequence_newest.sql), known (sequence_keys.sql), event_types.
-- An event that several landed days report counts once, as the newest of those days reports it.
WITH reported AS (
    SELECT
        event_id, type, occurred_at, service, stream, record_id, entity, channel, amount, currency, score, score_kind,
        attributes, day
    FROM events
    WHERE occurred_at >= $since AND occurred_at < $until
),
newest_reports AS (
    SELECT r.*, ROW_NUMBER() OVER (PARTITION BY r.event_id ORDER BY r.type) AS report
    FROM reported AS r
    JOIN newest AS n
        ON n.event_id = r.event_id AND n.day = r.day AND n.occurred_at = r.occurred_at AND n.service = r.service
        AND n.stream = r.stream AND n.record_id = r.record_id AND n.entity = coalesce(r.entity, '')
),
counted AS (
    SELECT event_id, type, occurred_at, service, entity, channel, amount, currency, score, score_kind, attributes
    FROM reported AS r
    WHERE NOT EXISTS (SELECT 1 FROM newest AS n WHERE n.event_id = r.event_id)
    UNION ALL
    SELECT event_id, type, occurred_at, service, entity, channel, amount, currency, score, score_kind, attributes
    FROM newest_reports
    WHERE report = 1
),
resolved AS (
    SELECT
        k.customer_id, c.event_id, c.type, c.occurred_at, c.service, c.channel, c.amount, c.currency, c.score,
        c.score_kind, c.attributes, k.customer_key, t.type_code, epoch_us(c.occurred_at) AS occurred_us, k.bucket
    FROM counted AS c
    JOIN known AS k ON k.service = c.service AND k.entity = c.entity
    JOIN event_types AS t ON t.type = c.type
    WHERE k.bucket BETWEEN $first AND $last
)
SELECT
    *,
    -- 604800000000 microseconds are a week, and 1970 began 259200000000 after a Monday.
    CAST((
        (occurred_us + 259200000000) - ((occurred_us + 259200000000) % 604800000000 + 604800000000) % 604800000000
    ) / 604800000000 AS INTEGER) AS week
FROM resolved
ORDER BY bucket, week, customer_key, occurred_us, event_id
