-- Grain: one entity that was touched, or is linked to one that the map does not know. Keys: service, entity.
-- Inputs: touched (service, entity); newcomers (service, entity), those of them that the map does not know; ledger.
-- Links may have waited for a newcomer's profile: they join it with entities that nothing else has touched.
SELECT service, entity FROM touched
UNION
SELECT l.right_service, l.right_entity
FROM ledger l JOIN newcomers n ON n.service = l.left_service AND n.entity = l.left_entity
UNION
SELECT l.left_service, l.left_entity
FROM ledger l JOIN newcomers n ON n.service = l.right_service AND n.entity = l.right_entity
