-- Grain: one entity that was looked at, in the order of its keys. Keys: service, entity. Columns: those of fields.sql; keys
-- (of its profile, those that say something of a person); is_short (whether some are left out); profile; replaces (the
-- number of what was kept of it); changed (whether anything that is compared differs from that).
-- Inputs: fresh (fields.sql); told (profiles_told.sql); personal_keys (personal_keys.sql); former (fields_kept.sql).
WITH held AS (
    SELECT t.service, t.entity, t.profile, p.entity IS NOT NULL AS is_short,
           CASE WHEN p.entity IS NULL THEN t.keys ELSE p.keys END AS keys
    FROM told t LEFT JOIN personal_keys p ON p.service = t.service AND p.entity = t.entity
)
SELECT f.service, f.entity, f.fingerprint, f.given, f.middle, f.family, f.words, f.birth, f.street, f.numbers, f.postcode,
       f.city, f.country, h.keys, h.is_short, h.profile, w.number AS replaces,
       w.fingerprint IS DISTINCT FROM f.fingerprint OR w.keys IS DISTINCT FROM h.keys AS changed
FROM fresh f
JOIN held h ON h.service = f.service AND h.entity = f.entity
LEFT JOIN former w ON w.service = f.service AND w.entity = f.entity
ORDER BY f.service, f.entity
