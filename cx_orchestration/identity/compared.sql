-- Grain: one entity whose state the ledger takes into account. Keys: service, entity. Columns: those of
-- identity/compared. Inputs: changes (changes.sql); compared, as it was.
SELECT service, entity, fingerprint
FROM compared c
WHERE NOT EXISTS (SELECT 1 FROM changes n WHERE n.service = c.service AND n.entity = c.entity)
UNION ALL
SELECT service, entity, fingerprint
FROM changes
WHERE fingerprint IS NOT NULL
