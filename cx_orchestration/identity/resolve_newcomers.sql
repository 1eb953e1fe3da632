-- Grain: one entity that was touched and that the map does not know. Keys: service, entity.
-- Inputs: touched (service, entity); identity_map.
SELECT service, entity FROM touched t
WHERE NOT EXISTS (SELECT 1 FROM identity_map m WHERE m.service = t.service AND m.entity = t.entity)
