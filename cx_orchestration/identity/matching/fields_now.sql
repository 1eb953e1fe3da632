-- Grain: one entity. Keys: service, entity; unique_id (0, 1, 2, ... in that order). Columns: those of fields.sql,
-- unique_id, keys (personal_keys.sql), changed (whether anything differs from what was kept).
-- Inputs: texts (service, entity, ... of every profile); fresh (fields.sql, of the profiles that changed); kept
-- (identity/matching_fields); personal_keys.
WITH present AS (
    SELECT * FROM fresh
    UNION ALL BY NAME
    SELECT k.* EXCLUDE (keys, model_version)
    FROM kept k SEMI JOIN texts t ON t.service = k.service AND t.entity = k.entity AND t.fingerprint = k.fingerprint
)
SELECT row_number() OVER (ORDER BY p.service, p.entity) - 1 AS unique_id, p.*, h.keys,
       k.fingerprint IS DISTINCT FROM p.fingerprint OR k.keys IS DISTINCT FROM h.keys AS changed
FROM present p
LEFT JOIN personal_keys h ON h.service = p.service AND h.entity = p.entity
LEFT JOIN kept k ON k.service = p.service AND k.entity = p.entity
ORDER BY p.service, p.entity
