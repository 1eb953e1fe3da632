-- Grain: one value that only one person can have, of an entity to look at.
-- Columns: code, namespace_code, value_code (of the value within its namespace).
-- Inputs: unique_now (service, entity, namespace, digest); records (service, entity, code).
SELECT r.code, dense_rank() OVER (ORDER BY u.namespace) AS namespace_code,
       dense_rank() OVER (ORDER BY u.namespace, u.digest) AS value_code
FROM unique_now u JOIN records r ON r.service = u.service AND r.entity = u.entity
WHERE r.code IS NOT NULL
