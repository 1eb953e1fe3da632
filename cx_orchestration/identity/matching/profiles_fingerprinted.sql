-- Grain: one entity. Keys: service, entity. Columns: those of profiles that are compared as text, and their fingerprint.
-- Input: looked_at, some profiles.
SELECT service, entity, name, given_name, family_name, birth_date, street, postcode, city, country,
       hash(name, given_name, family_name, birth_date, street, postcode, city, country)::VARCHAR AS fingerprint
FROM looked_at
