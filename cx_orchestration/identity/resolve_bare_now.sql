-- Grain: one entity that changed or is looked at, of which there is nothing to compare but keys (resolve_bare.sql).
-- Keys: service, entity.
-- Inputs: previous (resolve_previous.sql); changed (identity/profiles_changed), states of profiles since the map was made.
SELECT service, entity FROM changed WHERE is_bare
UNION ALL
SELECT service, entity
FROM previous p ANTI JOIN changed c ON c.service = p.service AND c.entity = p.entity
WHERE p.is_bare
