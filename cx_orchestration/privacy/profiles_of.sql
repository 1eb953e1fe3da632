-- The profiles of these persons.
-- grain: one entity. Key: service, entity. Columns: those of identity/profiles.
SELECT f.*
FROM profiles f
JOIN persons p ON f.service = p.service AND f.entity = p.entity
