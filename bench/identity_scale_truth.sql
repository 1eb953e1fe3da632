-- Grain: one row: what became of the records. Columns: entities, customers, persons, largest customer (records), pair
-- precision and pair recall (of the pairs of records that a customer has, and of those that a person has).
-- Inputs: map (identity/identity_map); truth (service, entity, person).
WITH counted AS (
    SELECT m.customer_id, t.person, count(*) AS n
    FROM map m JOIN truth t ON t.service = m.service AND t.entity = m.entity
    GROUP BY m.customer_id, t.person
),
customers AS (
    SELECT customer_id, sum(n)::BIGINT AS n FROM counted GROUP BY customer_id
),
persons AS (
    SELECT person, sum(n)::BIGINT AS n FROM counted GROUP BY person
),
pairs AS (
    SELECT (SELECT sum(n * (n - 1)) FROM counted) AS agreed, (SELECT sum(n * (n - 1)) FROM customers) AS found,
           (SELECT sum(n * (n - 1)) FROM persons) AS there
)
SELECT (SELECT sum(n)::BIGINT FROM customers) AS entities, (SELECT count(*) FROM customers) AS customers,
       (SELECT count(*) FROM persons) AS persons, (SELECT max(n) FROM customers) AS "largest customer",
       round(agreed / found, 4)::DOUBLE AS "pair precision", round(agreed / there, 4)::DOUBLE AS "pair recall"
FROM pairs
