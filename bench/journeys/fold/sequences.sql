-- Grain: one event of a made-up year (event_id), as journeys/sequences has it: sorted by bucket, week, customer_key,
--   occurred_us, event_id. Ids are texts like a company's; attributes have an order, a plan and a device.
-- Input: persons (person, digest, bucket): those whose events are made. Parameters: $first and $last event, $customers
--   there are, $start and $span (microseconds).
-- A customer orders about once in five events; where an order goes on is in the event's own order_id.
WITH numbered AS (
    SELECT
        i, hash(i * 2 + 1) AS h, hash(i * 2 + 1) % $customers AS person,
        $start + CAST(hash(i * 2) % $span AS BIGINT) AS occurred_us
    FROM range($first, $last) AS r(i)
),
named AS (
    SELECT n.*, p.digest, p.bucket, CAST((n.h >> 32) % 40 AS INTEGER) AS type_code
    FROM numbered AS n
    JOIN persons AS p ON p.person = n.person
)
SELECT
    'c-' || digest AS customer_id,
    CAST(CAST(md5('event ' || i) AS UUID) AS VARCHAR) AS event_id,
    't' || lpad(CAST(type_code AS VARCHAR), 2, '0') AS type,
    make_timestamptz(occurred_us) AS occurred_at,
    's' || type_code % 7 AS service,
    CASE h % 3 WHEN 0 THEN 'web' WHEN 1 THEN 'app' ELSE 'phone' END AS channel,
    CASE WHEN type_code % 4 = 0 THEN CAST(h % 20000 AS DECIMAL(18, 4)) / 100 ELSE NULL END AS amount,
    CASE WHEN type_code % 4 = 0 THEN 'USD' ELSE NULL END AS currency,
    CAST(NULL AS DOUBLE) AS score,
    CAST(NULL AS VARCHAR) AS score_kind,
    '{"order_id":"o' || (h >> 16) % 3 || '","plan":"' || CASE h % 4 WHEN 0 THEN 'pro' ELSE 'free' END
        || '","device":"' || CASE h % 5 WHEN 0 THEN 'mobile' ELSE 'desktop' END || '"}' AS attributes,
    CAST('0x' || substr(digest, 4, 15) AS BIGINT) AS customer_key,
    type_code,
    occurred_us,
    bucket,
    CAST((occurred_us + 259200000000) // 604800000000 AS INTEGER) AS week
FROM named
ORDER BY bucket, week, customer_key, occurred_us, event_id
