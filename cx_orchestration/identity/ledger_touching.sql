-- Grain: one entry of the ledger that has one of some entities at an end, or two of some others at both. Columns: those
-- of the ledger.
-- Inputs: links, the whole ledger; touching (service, entity); among (service, entity), the others. Parameter: $family, as in standing_entries.sql: files
-- without rules of the family are not read.
-- Two joins in place of an OR: each becomes a filter of the scan.
SELECT l.*
FROM links l
SEMI JOIN touching t ON t.service = l.left_service AND t.entity = l.left_entity
WHERE $family IS NULL OR (l.rule >= $family AND l.rule < $family || ';')
UNION ALL
SELECT l.*
FROM links l
SEMI JOIN touching t ON t.service = l.right_service AND t.entity = l.right_entity
ANTI JOIN touching u ON u.service = l.left_service AND u.entity = l.left_entity
WHERE $family IS NULL OR (l.rule >= $family AND l.rule < $family || ';')
UNION ALL
SELECT l.*
FROM links l
SEMI JOIN among a ON a.service = l.left_service AND a.entity = l.left_entity
SEMI JOIN among b ON b.service = l.right_service AND b.entity = l.right_entity
ANTI JOIN touching t ON t.service = l.left_service AND t.entity = l.left_entity
ANTI JOIN touching u ON u.service = l.right_service AND u.entity = l.right_entity
WHERE $family IS NULL OR (l.rule >= $family AND l.rule < $family || ';')
