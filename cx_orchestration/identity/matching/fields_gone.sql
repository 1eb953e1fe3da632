-- Grain: one entity that has no profile any more: what the last row of it says. Keys: service, entity.
-- Inputs: former, what was kept of those that were looked at; rows, what replaces it.
SELECT f.service, f.entity, f.number AS replaces, false AS is_there, f.model_version, f.read_by
FROM former f ANTI JOIN rows r ON r.replaces = f.number
