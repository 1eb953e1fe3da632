-- Grain: one entity that belongs to another customer than before, or to one at all, or to none any more.
-- Columns: service, entity. Inputs: before and now (identity/identity_map at two versions).
SELECT coalesce(b.service, n.service) AS service, coalesce(b.entity, n.entity) AS entity
FROM before AS b
FULL OUTER JOIN now AS n ON n.service = b.service AND n.entity = b.entity
WHERE b.customer_id IS DISTINCT FROM n.customer_id
