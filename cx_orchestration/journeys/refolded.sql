-- Grain and columns: those of journeys/steps, or journeys/instances: the rows that stay.
-- Inputs: there (the rows there are), keys (customer_key of those who have others now).
SELECT *
FROM there
WHERE CAST('0x' || substr(md5(customer_id), 4, 15) AS BIGINT) NOT IN (SELECT customer_key FROM keys)
