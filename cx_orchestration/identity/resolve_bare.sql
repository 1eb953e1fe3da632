-- Grain: one entity of which there is nothing to compare but keys: neither a name, nor a date of birth, nor an address.
-- Keys: service, entity.
-- Input: profiles.
SELECT service, entity
FROM profiles
WHERE coalesce(name, given_name, family_name, birth_date, street, postcode, city) IS NULL
