-- Grain: one entity that has a profile, and who that is. Keys: service, entity. Columns: those of the map.
-- Inputs: identity_map; previous, its rows that were looked at again; assigned (ids_assigned.sql), what they are now.
SELECT m.*
FROM identity_map m
WHERE NOT EXISTS (SELECT 1 FROM previous p WHERE p.service = m.service AND p.entity = m.entity)
UNION ALL BY NAME
SELECT service, entity, customer_id, since, born_at, before_merge, component, is_bare FROM assigned
