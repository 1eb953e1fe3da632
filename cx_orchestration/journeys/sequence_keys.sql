-- Grain: one entity that identity knows. Columns: service, entity, customer_id, customer_key, bucket.
-- Input: identity_map (identity/identity_map). Parameter: $buckets, 1 to 4096.
-- The bucket is the number in the first three hexadecimal digits of md5(customer_id), modulo $buckets; the key is the
-- number in the fifteen digits after them, which needs no table of numbers handed out and is the same on every engine.
WITH digested AS (
    SELECT customer_id, md5(customer_id) AS digest
    FROM (SELECT DISTINCT customer_id FROM identity_map) AS customers
),
keyed AS (
    SELECT
        customer_id,
        CAST((
            (position(substr(digest, 1, 1) IN '0123456789abcdef') - 1) * 256
            + (position(substr(digest, 2, 1) IN '0123456789abcdef') - 1) * 16
            + (position(substr(digest, 3, 1) IN '0123456789abcdef') - 1)
        ) % $buckets AS INTEGER) AS bucket,
        CAST(position(substr(digest, 4, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 72057594037927936
        + CAST(position(substr(digest, 5, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 4503599627370496
        + CAST(position(substr(digest, 6, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 281474976710656
        + CAST(position(substr(digest, 7, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 17592186044416
        + CAST(position(substr(digest, 8, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 1099511627776
        + CAST(position(substr(digest, 9, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 68719476736
        + CAST(position(substr(digest, 10, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 4294967296
        + CAST(position(substr(digest, 11, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 268435456
        + CAST(position(substr(digest, 12, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 16777216
        + CAST(position(substr(digest, 13, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 1048576
        + CAST(position(substr(digest, 14, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 65536
        + CAST(position(substr(digest, 15, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 4096
        + CAST(position(substr(digest, 16, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 256
        + CAST(position(substr(digest, 17, 1) IN '0123456789abcdef') - 1 AS BIGINT) * 16
        + CAST(position(substr(digest, 18, 1) IN '0123456789abcdef') - 1 AS BIGINT) AS customer_key
    FROM digested
)
SELECT m.service, m.entity, k.customer_id, k.customer_key, k.bucket
FROM identity_map AS m
JOIN keyed AS k ON k.customer_id = m.customer_id
