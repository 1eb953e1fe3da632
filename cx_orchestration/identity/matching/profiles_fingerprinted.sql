-- Grain: one entity. Keys: service, entity. Columns: the keys, fingerprint (of what is compared as text), keys (null where
-- there are none).
-- Input: profiles.
SELECT service, entity,
       hash(name, given_name, family_name, birth_date, street, postcode, city, country)::VARCHAR AS fingerprint,
       CASE WHEN len(keys) > 0 THEN keys ELSE NULL END AS keys
FROM profiles
