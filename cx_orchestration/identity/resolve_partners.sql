-- Grain: one entity that was touched, or is linked to one that the map does not know. Keys: service, entity.
-- Inputs: touched (service, entity); newcomers (service, entity), those of them that the map does not know; ledger.
-- Links may have waited for a newcomer's profile: they join it with entities that nothing else has touched. The ledger is
-- passed through once, for hashes of newcomers: who has the hash of one is looked at in vain.
WITH codes AS (
    SELECT hash(service, entity) AS code FROM newcomers
),
theirs AS (
    SELECT left_service, left_entity, right_service, right_entity
    FROM ledger
    WHERE hash(left_service, left_entity) IN (SELECT code FROM codes)
       OR hash(right_service, right_entity) IN (SELECT code FROM codes)
)
SELECT service, entity FROM touched
UNION
SELECT left_service, left_entity FROM theirs
UNION
SELECT right_service, right_entity FROM theirs
