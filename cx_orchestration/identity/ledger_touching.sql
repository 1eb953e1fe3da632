-- Grain: one entry of the ledger that has one of some entities at an end. Columns: those of the ledger.
-- Inputs: ledger; touching (service, entity).
SELECT l.*
FROM ledger l
WHERE EXISTS (SELECT 1 FROM touching t WHERE t.service = l.left_service AND t.entity = l.left_entity)
   OR EXISTS (SELECT 1 FROM touching t WHERE t.service = l.right_service AND t.entity = l.right_entity)
