-- Grain: one entry of the ledger that has one of some entities at an end, or two of some others at both. Columns: those
-- of the ledger.
-- Inputs: links, the whole ledger; touching (service, entity); among (service, entity), the others. Parameter: $family, as
-- in standing_entries.sql: files without rules of the family are not read.
-- Entries are found by hashes of their ends, in one pass, and of those found the ends themselves are asked.
WITH touching_codes AS (
    SELECT hash(service, entity) AS code FROM touching
),
among_codes AS (
    SELECT hash(service, entity) AS code FROM among
),
found AS (
    SELECT *
    FROM (
        SELECT *, hash(left_service, left_entity) AS left_code, hash(right_service, right_entity) AS right_code
        FROM links
        WHERE $family IS NULL OR (rule >= $family AND rule < $family || ';')
    ) AS coded
    WHERE left_code IN (SELECT code FROM touching_codes)
       OR right_code IN (SELECT code FROM touching_codes)
       OR (left_code IN (SELECT code FROM among_codes) AND right_code IN (SELECT code FROM among_codes))
)
SELECT f.* EXCLUDE (left_code, right_code)
FROM found f
WHERE EXISTS (SELECT 1 FROM touching t WHERE t.service = f.left_service AND t.entity = f.left_entity)
   OR EXISTS (SELECT 1 FROM touching t WHERE t.service = f.right_service AND t.entity = f.right_entity)
   OR (
       EXISTS (SELECT 1 FROM among a WHERE a.service = f.left_service AND a.entity = f.left_entity)
       AND EXISTS (SELECT 1 FROM among a WHERE a.service = f.right_service AND a.entity = f.right_entity)
   )
