-- Grain: one entity. Keys: service, entity. Columns: the keys, profile (the fingerprint of all that was received), keys (null
-- where there are none).
-- Input: profiles.
SELECT service, entity, fingerprint AS profile, CASE WHEN array_length(keys) > 0 THEN keys ELSE NULL END AS keys
FROM profiles
