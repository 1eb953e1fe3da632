-- Grain: one row. Columns: customers_before, customers, unchanged (the same id and exactly the same entities), split,
-- renumbered (entities).
-- Inputs: records; assigned (ids_assigned.sql).
WITH before AS (
    SELECT customer_id AS id, count(*) AS entities FROM records WHERE customer_id IS NOT NULL GROUP BY customer_id
),
after AS (
    SELECT customer_id AS id, count(*) AS entities, count(*) FILTER (WHERE old_customer_id = customer_id) AS stayed
    FROM assigned
    GROUP BY customer_id
),
divided AS (
    SELECT old_customer_id FROM assigned WHERE old_customer_id IS NOT NULL
    GROUP BY old_customer_id HAVING min(customer_id) <> max(customer_id)
)
SELECT (SELECT count(*) FROM before) AS customers_before,
       (SELECT count(*) FROM after) AS customers,
       (SELECT count(*) FROM before b JOIN after a ON a.id = b.id
        WHERE a.entities = b.entities AND a.stayed = b.entities) AS unchanged,
       (SELECT count(*) FROM divided) AS split,
       (SELECT count(*) FROM assigned WHERE old_customer_id <> customer_id) AS renumbered
