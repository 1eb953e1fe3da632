-- Grain: one entry of the ledger between two entities to look at. Columns: left_code, right_code, link_id, rule,
-- match_weight, made_at, retracted_at, retracted_why.
-- Inputs: ledger; records (service, entity, code).
SELECT a.code AS left_code, b.code AS right_code, l.link_id, l.rule, l.match_weight, l.made_at, l.retracted_at,
       l.retracted_why
FROM ledger l
JOIN records a ON a.service = l.left_service AND a.entity = l.left_entity
JOIN records b ON b.service = l.right_service AND b.entity = l.right_entity
WHERE a.code IS NOT NULL AND b.code IS NOT NULL
