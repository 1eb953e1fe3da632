-- Grain: one entity. Keys: service, entity; code. Columns: service, entity, code (0, 1, 2, ... in that order).
-- Input: profiles.
SELECT service, entity, row_number() OVER (ORDER BY service, entity) - 1 AS code
FROM profiles
ORDER BY service, entity
