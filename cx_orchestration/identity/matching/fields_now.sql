-- Grain: one entity that was looked at, in the order of its keys. Keys: service, entity. Columns: those of fields.sql; keys
-- (of its profile, those that say something of a person); is_short (whether some are left out); profile; replaces (the
-- number of what was kept of it); changed (whether anything that is compared differs from that).
-- Inputs: fresh (fields.sql); looked_at, some profiles; personal_keys (personal_keys.sql); former, what was kept of them.
WITH held AS (
    SELECT l.service, l.entity, l.fingerprint AS profile, p.entity IS NOT NULL AS is_short,
           CASE
               WHEN p.entity IS NOT NULL THEN p.keys
               WHEN array_length(l.keys) > 0 THEN l.keys
               ELSE NULL
           END AS keys
    FROM looked_at l LEFT JOIN personal_keys p ON p.service = l.service AND p.entity = l.entity
)
SELECT f.service, f.entity, f.fingerprint, f.given, f.middle, f.family, f.words, f.birth, f.street, f.numbers, f.postcode,
       f.city, f.country, h.keys, h.is_short, h.profile, w.number AS replaces,
       w.fingerprint IS DISTINCT FROM f.fingerprint OR w.keys IS DISTINCT FROM h.keys AS changed
FROM fresh f
JOIN held h ON h.service = f.service AND h.entity = f.entity
LEFT JOIN former w ON w.service = f.service AND w.entity = f.entity
ORDER BY f.service, f.entity
