-- Grain: one entity, in the order of its keys. Keys: service, entity. Columns: those of fields.sql, keys
-- (personal_keys.sql), changed (whether anything differs from what was kept).
-- Inputs: texts (service, entity, ... of every profile); fresh (fields.sql, of the profiles that changed); kept
-- (identity/matching_fields); personal_keys.
WITH present AS (
    SELECT service, entity, fingerprint, given, middle, family, words, birth, street, numbers, postcode, city, country
    FROM fresh
    UNION ALL
    SELECT service, entity, fingerprint, given, middle, family, words, birth, street, numbers, postcode, city, country
    FROM kept k SEMI JOIN texts t ON t.service = k.service AND t.entity = k.entity AND t.fingerprint = k.fingerprint
)
SELECT p.*, h.keys,
       k.fingerprint IS DISTINCT FROM p.fingerprint OR k.keys IS DISTINCT FROM h.keys AS changed
FROM present p
LEFT JOIN personal_keys h ON h.service = p.service AND h.entity = p.entity
LEFT JOIN kept k ON k.service = p.service AND k.entity = p.entity
ORDER BY p.service, p.entity
