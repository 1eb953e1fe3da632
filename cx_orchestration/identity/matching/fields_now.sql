-- Grain: one entity. Keys: service, entity; unique_id (0, 1, 2, ... in that order). Columns: those of fields.sql,
-- unique_id, keys (personal_keys.sql), changed (whether anything differs from what was kept).
-- Inputs: texts (service, entity, ... of every profile); fresh (fields.sql, of the profiles that changed); kept
-- (identity/matching_fields); personal_keys.
WITH present AS (
    SELECT service, entity, fingerprint, given, middle, family, words, birth, street, numbers, postcode, city, country
    FROM fresh
    UNION ALL
    SELECT service, entity, fingerprint, given, middle, family, words, birth, street, numbers, postcode, city, country
    FROM kept k SEMI JOIN texts t ON t.service = k.service AND t.entity = k.entity AND t.fingerprint = k.fingerprint
)
SELECT CAST(row_number() OVER (ORDER BY p.service, p.entity) - 1 AS BIGINT) AS unique_id, p.*, h.keys,
       k.fingerprint IS DISTINCT FROM p.fingerprint OR k.keys IS DISTINCT FROM h.keys AS changed
FROM present p
LEFT JOIN personal_keys h ON h.service = p.service AND h.entity = p.entity
LEFT JOIN kept k ON k.service = p.service AND k.entity = p.entity
ORDER BY p.service, p.entity
