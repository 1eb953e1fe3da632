-- Grain: one entity that belongs to another customer than before, or to one at all, or to none any more.
-- Columns: service, entity. Inputs: before and now (identity/identity_map at two versions), had_unknown (service, of those
-- that had events of entities which the map did not know). An entity that came into the map counts in these services
-- alone: in the others it had no events that anybody could lack.
SELECT coalesce(b.service, n.service) AS service, coalesce(b.entity, n.entity) AS entity
FROM before AS b
FULL OUTER JOIN now AS n ON n.service = b.service AND n.entity = b.entity
LEFT JOIN had_unknown AS u ON u.service = n.service
WHERE b.customer_id IS DISTINCT FROM n.customer_id AND (b.customer_id IS NOT NULL OR u.service IS NOT NULL)
