-- Grain: one event of a made-up year (event_id), as journeys/sequences has it: sorted by bucket, week, customer_key,
--   occurred_us, event_id. Ids are texts like a company's; attributes have an order, a plan and a device.
-- Input: persons (person, digest, bucket): those whose events are made. Parameters: $first and $last event, $customers
--   there are, $start and $span (microseconds).
-- Remainders are of UBIGINT: with another type they are of 128 bits, which takes a hundred times as long.
-- A customer orders about once in five events; where an order goes on is in the event's own order_id.
WITH numbered AS (
    SELECT
        i, hash(i * 2 + 1) AS h, hash(i * 2 + 1) % CAST($customers AS UBIGINT) AS person,
        $start + CAST(hash(i * 2) % CAST($span AS UBIGINT) AS BIGINT) AS occurred_us
    FROM range($first, $last) AS r(i)
),
named AS (
    SELECT
        n.h, n.occurred_us, p.digest, p.bucket, CAST((n.h >> 32) % 40 AS INTEGER) AS type_code,
        CAST('0x' || substr(p.digest, 4, 15) AS BIGINT) AS customer_key,
        CAST((n.occurred_us + 259200000000) // 604800000000 AS INTEGER) AS week,
        CAST(md5('event ' || n.i) AS UUID) AS event_id
    FROM numbered AS n
    JOIN persons AS p ON p.person = n.person
    ORDER BY bucket, week, customer_key, occurred_us, event_id
)
SELECT
    'c-' || digest AS customer_id,
    CAST(event_id AS VARCHAR) AS event_id,
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
    customer_key,
    type_code,
    occurred_us,
    bucket,
    week
FROM named
