-- Grain: one entity that the map knows and whose customer has to be looked at again.
-- Keys: service, entity. Columns: those of the map.
-- Inputs: identity_map; touched (service, entity). A new link joins nobody but touched entities, so whoever a touched
-- entity may now be joined with, directly or by way of others, is in its own component or in that of another touched
-- one: no walk along links is needed.
WITH found AS (
    SELECT DISTINCT m.customer_id, m.component
    FROM identity_map m JOIN touched t ON t.service = m.service AND t.entity = m.entity
)
SELECT m.*
FROM identity_map m
WHERE m.customer_id IN (SELECT customer_id FROM found)
   OR m.component IN (SELECT component FROM found WHERE component IS NOT NULL)
