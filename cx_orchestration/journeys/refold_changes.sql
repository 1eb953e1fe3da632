-- Grain: one customer some of whose events differ between two states of some files (customer_key).
-- Columns: since, the earliest of these events in microseconds since 1970.
-- Inputs: before, after (journeys/sequences, without its partitions).
WITH differing AS (
    (SELECT * FROM before EXCEPT ALL SELECT * FROM after)
    UNION ALL
    (SELECT * FROM after EXCEPT ALL SELECT * FROM before)
)
SELECT customer_key, min(occurred_us) AS since
FROM differing
GROUP BY customer_key
