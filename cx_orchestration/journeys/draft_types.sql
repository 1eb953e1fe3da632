-- Grain: one event type that at least $least customers have (type).
-- Columns: customers; begins, those with whom it was the first event; place, from 0 to 1, where it stands on average
--   among the types of a customer in the order in which they first came.
-- Input: sequences (journeys/sequences).
WITH first_times AS (
    SELECT customer_id, type, min(occurred_at) AS first_at FROM sequences GROUP BY customer_id, type
),
ranked AS (
    SELECT
        customer_id, type,
        ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY first_at, type) AS rank,
        count(*) OVER (PARTITION BY customer_id) AS types
    FROM first_times
)
SELECT
    r.type,
    count(*) AS customers,
    CAST(sum(CASE WHEN r.rank = 1 THEN 1 ELSE 0 END) AS BIGINT) AS begins,
    avg(CASE WHEN r.types = 1 THEN 0.5 ELSE (r.rank - 1.0) / (r.types - 1) END) AS place
FROM ranked AS r
GROUP BY r.type
HAVING count(*) >= $least
ORDER BY r.type
