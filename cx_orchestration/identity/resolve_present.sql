-- Grain: one entity to look at that has a profile. Keys: service, entity.
-- Inputs: profiles; previous (resolve_previous.sql); touched.
SELECT p.service, p.entity
FROM profiles p
WHERE EXISTS (
    SELECT 1
    FROM (SELECT service, entity FROM previous UNION SELECT service, entity FROM touched) AS concerned
    WHERE concerned.service = p.service AND concerned.entity = p.entity
)
