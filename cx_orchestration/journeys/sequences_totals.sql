-- One row: sequenced (events), customers. Input: sequences (journeys/sequences).
SELECT coalesce(sum(events), 0)::BIGINT AS sequenced, count(*) AS customers
FROM (SELECT bucket, customer_key, count(*) AS events FROM sequences GROUP BY bucket, customer_key) AS customers
