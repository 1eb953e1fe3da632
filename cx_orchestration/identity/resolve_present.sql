-- Grain: one entity to look at that has a profile: in the map with one that did not change since, or as it is now.
-- Keys: service, entity.
-- Inputs: previous (resolve_previous.sql); touched; changed (identity/profiles_changed), states of profiles since the map
-- was made.
SELECT service, entity
FROM previous p ANTI JOIN changed c ON c.service = p.service AND c.entity = p.entity
UNION ALL
SELECT service, entity
FROM changed c
WHERE c.is_there AND EXISTS (
    SELECT 1
    FROM (SELECT service, entity FROM previous UNION SELECT service, entity FROM touched) AS concerned
    WHERE concerned.service = c.service AND concerned.entity = c.entity
)
