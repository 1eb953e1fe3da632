-- Grain: one wanted link that has an end in the scope. Columns: those of ledger.WANTED.
-- Inputs: wanted; scope (service, entity).
SELECT w.*
FROM wanted w
WHERE EXISTS (SELECT 1 FROM scope t WHERE t.service = w.left_service AND t.entity = w.left_entity)
   OR EXISTS (SELECT 1 FROM scope t WHERE t.service = w.right_service AND t.entity = w.right_entity)
