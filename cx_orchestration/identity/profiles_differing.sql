-- Grain: one customer of one service who is otherwise than before: new, changed, or gone. Keys: service, entity.
-- Columns: the keys, is_there (false for one who is gone).
-- Inputs: now and before (service, entity, fingerprint). A fingerprint is of service and entity too, so it alone is compared.
WITH fresh AS (
    SELECT service, entity FROM now n WHERE NOT EXISTS (SELECT 1 FROM before b WHERE b.fingerprint = n.fingerprint)
),
stale AS (
    SELECT service, entity FROM before b WHERE NOT EXISTS (SELECT 1 FROM now n WHERE n.fingerprint = b.fingerprint)
)
SELECT service, entity, true AS is_there FROM fresh
UNION ALL
SELECT service, entity, false
FROM stale s
WHERE NOT EXISTS (SELECT 1 FROM fresh f WHERE f.service = s.service AND f.entity = s.entity)
