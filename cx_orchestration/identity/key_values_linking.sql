-- Grain: one value that links and that an entity of the scope holds. Columns: those of key_values.
-- Inputs: key_values (key_values.sql); holders (holders.sql); scope (service, entity).
SELECT v.*
FROM key_values v
WHERE v.verdict = 'links'
  AND v.code IN (SELECT h.code FROM holders h SEMI JOIN scope t ON t.service = h.service AND t.entity = h.entity)
