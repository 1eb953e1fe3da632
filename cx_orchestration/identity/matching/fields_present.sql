-- Grain: one entity, as it is now. Keys: service, entity. Columns: what is compared of it, and unique_id.
-- Inputs: rows (fields_now.sql); stored (identity/matching_fields); replaced (fields_replaced.sql).
SELECT unique_id, service, entity, given, middle, family, words, birth, street, numbers, postcode, city, country, keys, changed
FROM rows
UNION ALL
SELECT s.number, s.service, s.entity, s.given, s.middle, s.family, s.words, s.birth, s.street, s.numbers, s.postcode, s.city,
       s.country, s.keys, false
FROM stored s ANTI JOIN replaced d ON d.number = s.number
WHERE s.is_there
