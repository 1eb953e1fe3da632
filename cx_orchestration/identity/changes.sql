-- Grain: one entity that is otherwise than when it was compared, or that is no longer there.
-- Keys: service, entity. Columns: the keys, fingerprint (null where it is gone).
-- Inputs: profiles (keys normalised); compared.
SELECT coalesce(p.service, c.service) AS service, coalesce(p.entity, c.entity) AS entity, p.fingerprint
FROM (
    SELECT service, entity,
           hash(name, given_name, family_name, birth_date, street, postcode, city, country, keys)::VARCHAR AS fingerprint
    FROM profiles
) AS p
FULL JOIN compared c ON c.service = p.service AND c.entity = p.entity
WHERE p.fingerprint IS DISTINCT FROM c.fingerprint
