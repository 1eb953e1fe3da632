-- Grain: one link whose two ends both exist and are not decided to be never one person. Columns: left_code, right_code.
-- Inputs: links; entities (service, entity, code).
SELECT a.code AS left_code, b.code AS right_code
FROM links l
JOIN entities a ON a.service = l.left_service AND a.entity = l.left_entity
JOIN entities b ON b.service = l.right_service AND b.entity = l.right_entity
WHERE l.rule <> 'decided:never'
