-- Grain: one entry of the ledger that has one of some entities at an end. Columns: those of the ledger.
-- Inputs: links, the whole ledger; touching (service, entity). Parameter: $family, as in standing_entries.sql: files
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
