-- Grain: one entity, in the order of its keys. Keys: service, entity. Columns: those of fields.sql, keys (of its profile,
-- those that say something of a person), changed (whether anything differs from what was kept).
-- Inputs: told (profiles_fingerprinted.sql); fresh (fields.sql, of the profiles whose texts changed); kept
-- (identity/matching_fields); personal_keys (personal_keys.sql).
WITH present AS (
    SELECT t.service, t.entity, t.fingerprint, CASE WHEN p.entity IS NULL THEN t.keys ELSE p.keys END AS keys
    FROM told t LEFT JOIN personal_keys p ON p.service = t.service AND p.entity = t.entity
)
SELECT f.service, f.entity, f.fingerprint, f.given, f.middle, f.family, f.words, f.birth, f.street, f.numbers, f.postcode,
       f.city, f.country, p.keys, true AS changed
FROM fresh f JOIN present p ON p.service = f.service AND p.entity = f.entity
UNION ALL
SELECT k.service, k.entity, k.fingerprint, k.given, k.middle, k.family, k.words, k.birth, k.street, k.numbers, k.postcode,
       k.city, k.country, p.keys, k.keys IS DISTINCT FROM p.keys AS changed
FROM kept k
JOIN present p ON p.service = k.service AND p.entity = k.entity AND p.fingerprint = k.fingerprint
ORDER BY service, entity
