-- Grain: one key of one customer of one service, as received. Keys: place. Columns: place; who, as in profiles_hashed.sql;
-- state, a hash of all else.
-- Inputs: seen, as received, and place.
SELECT place, hash(service, entity) AS who, hash(namespace, value, first_seen, last_seen, state) AS state
FROM seen
