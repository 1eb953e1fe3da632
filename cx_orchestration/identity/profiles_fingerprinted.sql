-- Grain: one customer of one service, as received. Keys: service, entity. Columns: the keys, fingerprint (63 bits of a hash
-- of all that was received of the customer, and of the rules by which it is read).
-- Inputs: profiles, and seen, their keys one by one, both as received. Parameter: $rules.
-- The keys stand in both, so those of the profiles are left out.
SELECT service, entity, (hash(service, entity, $rules, bit_xor(state)) >> 1)::BIGINT AS fingerprint
FROM (
    SELECT service, entity, true AS is_profile,
           hash(name, given_name, family_name, birth_date, street, postcode, city, country, attributes, updated_at) AS state
    FROM profiles
    UNION ALL
    SELECT service, entity, false, hash(namespace, value, first_seen, last_seen, state) FROM seen
) AS told
GROUP BY service, entity
HAVING bool_or(is_profile)
