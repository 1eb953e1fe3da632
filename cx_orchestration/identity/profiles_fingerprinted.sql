-- Grain: one customer of one service, as received. Keys: who. Columns: who (a hash of service and entity), fingerprint (63
-- bits of a hash of all that was received of the customer, and of the rules by which it is read).
-- Inputs: profiles, and seen, their keys one by one, both as received. Parameter: $rules.
-- The keys stand in both, so those of the profiles are left out. Should two customers have one hash, which happens once in
-- a million times five million of them, they have one fingerprint, too, and are read together.
SELECT who, (hash(who, $rules, bit_xor(state)) >> 1)::BIGINT AS fingerprint
FROM (
    SELECT hash(service, entity) AS who, true AS is_profile,
           hash(name, given_name, family_name, birth_date, street, postcode, city, country, attributes, updated_at) AS state
    FROM profiles
    UNION ALL
    SELECT hash(service, entity), false, hash(namespace, value, first_seen, last_seen, state) FROM seen
) AS told
GROUP BY who
HAVING bool_or(is_profile)
