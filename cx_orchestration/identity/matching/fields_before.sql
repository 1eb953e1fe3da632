-- Grain: one entity that changed or is gone, as it was. Keys: service, entity. Columns: those of former.
-- Inputs: former, what was kept of those that were looked at; rows (fields_now.sql).
SELECT w.*
FROM former w
ANTI JOIN (SELECT replaces FROM rows WHERE NOT changed) AS r ON r.replaces = w.number
