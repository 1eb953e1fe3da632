-- The log in order, ids as 16 bytes and types as numbers: sorted once, with what each event's neighbours are.
CREATE TABLE ordered AS
SELECT
    customer, type, us,
    ROW_NUMBER() OVER per_customer AS place,
    LAG(us) OVER per_customer AS before_us,
    LEAD(us) OVER per_customer AS after_us,
    LEAD(type) OVER per_customer AS after_type
FROM (
    SELECT
        CAST(customer_id AS UUID) AS customer, CAST(event_id AS UUID) AS event, CAST(type AS event_type) AS type,
        epoch_us(occurred_at) AS us
    FROM read_parquet($log)
) AS log
WINDOW per_customer AS (PARTITION BY customer ORDER BY us, event)
