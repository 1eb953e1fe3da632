-- Grain: one event that differs between two states of some files. Columns: customer_key, customer_id, occurred_us.
-- Inputs: before, after (journeys/sequences, without its partitions).
SELECT customer_key, customer_id, occurred_us FROM (SELECT * FROM before EXCEPT ALL SELECT * FROM after) AS gone
UNION ALL
SELECT customer_key, customer_id, occurred_us FROM (SELECT * FROM after EXCEPT ALL SELECT * FROM before) AS come
