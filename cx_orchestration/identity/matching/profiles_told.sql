-- Grain: one entity. Keys: service, entity. Columns: the keys, profile (the fingerprint of all that was received), keys (null
-- where there are none), word (the first of its given name, or of its name; null where it gives none).
-- Input: profiles.
SELECT service, entity, fingerprint AS profile, CASE WHEN array_length(keys) > 0 THEN keys ELSE NULL END AS keys,
       nullif(lower(split_part(trim(coalesce(nullif(trim(given_name), ''), name)), ' ', 1)), '') AS word
FROM profiles
