-- Grain: one distinct customer event (event_id). Sorted by bucket, customer_id, occurred_at, event_id.
-- Columns: those of journeys/sequences; customer_id and bucket are null where identity does not know the entity.
-- Inputs: events (integration/events), identity_map (identity/identity_map). Parameter: $buckets, 1 to 4096.
-- An event that several landed days report counts once, as the newest of those days reports it.
-- The bucket is the number in the first three hexadecimal digits of md5(customer_id), modulo $buckets.
WITH reported AS (
    SELECT
        event_id, type, occurred_at, service, entity, channel, amount, currency, score, score_kind, attributes,
        ROW_NUMBER() OVER (
            PARTITION BY event_id ORDER BY day DESC, occurred_at DESC, service, stream, record_id, entity
        ) AS report
    FROM events
),
resolved AS (
    SELECT r.*, m.customer_id, md5(m.customer_id) AS digest
    FROM reported AS r
    LEFT JOIN identity_map AS m ON m.service = r.service AND m.entity = r.entity
    WHERE r.report = 1
)
SELECT
    customer_id, event_id, type, occurred_at, service, channel, amount, currency, score, score_kind, attributes,
    CAST((
        (position(substr(digest, 1, 1) IN '0123456789abcdef') - 1) * 256
        + (position(substr(digest, 2, 1) IN '0123456789abcdef') - 1) * 16
        + (position(substr(digest, 3, 1) IN '0123456789abcdef') - 1)
    ) % $buckets AS INTEGER) AS bucket
FROM resolved
ORDER BY bucket NULLS LAST, customer_id, occurred_at, event_id
