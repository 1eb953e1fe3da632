-- Grain: one customer of one service, as received. Keys: place. Columns: place; who, a hash of service and entity; state, one
-- of all else that was received but the keys, which are told one by one.
-- Inputs: profiles, as received, and place.
SELECT place, hash(service, entity) AS who,
       hash(name, given_name, family_name, birth_date, street, postcode, city, country, attributes, updated_at) AS state
FROM profiles
