-- One row: customers (how many more have events than before), clashes (customers who would share another one's key).
-- Inputs: before (sequence_customers.sql), went and came (rows of journeys/sequences that go, and that come).
WITH gone AS (
    SELECT bucket, customer_key, count(*) AS events FROM went GROUP BY bucket, customer_key
),
come AS (
    SELECT bucket, customer_key, count(*) AS events, min(customer_id) AS first_id, max(customer_id) AS last_id
    FROM came
    GROUP BY bucket, customer_key
),
counted AS (
    SELECT
        coalesce(b.events, 0) AS had, coalesce(b.events, 0) - coalesce(g.events, 0) + coalesce(c.events, 0) AS have,
        c.first_id <> c.last_id OR c.first_id <> b.first_id OR b.first_id <> b.last_id AS clashes
    FROM before AS b
    FULL OUTER JOIN come AS c ON c.bucket = b.bucket AND c.customer_key = b.customer_key
    LEFT JOIN gone AS g ON g.bucket = b.bucket AND g.customer_key = b.customer_key
)
SELECT
    coalesce(sum(CASE WHEN had = 0 AND have > 0 THEN 1 WHEN had > 0 AND have = 0 THEN -1 ELSE 0 END), 0)::BIGINT
        AS customers,
    coalesce(sum(CASE WHEN clashes THEN 1 ELSE 0 END), 0)::BIGINT AS clashes
FROM counted
