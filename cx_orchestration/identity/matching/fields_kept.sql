-- Grain: one entity, as it was compared last. Keys: service, entity. Columns: those of identity/matching_fields.
-- Input: stored (identity/matching_fields).
SELECT s.*
FROM stored s
ANTI JOIN (SELECT replaces AS number FROM stored WHERE replaces IS NOT NULL) AS r ON r.number = s.number
WHERE s.is_there
