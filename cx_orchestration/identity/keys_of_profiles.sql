-- Grain: one key of one customer of one service, as received.
-- Columns: service, entity, namespace, value, first_seen, last_seen (when the profile was updated), state.
-- Input: profiles.
SELECT DISTINCT service, entity, k.namespace, k.value, updated_at AS first_seen, updated_at AS last_seen,
       'ambiguous' AS state
FROM (SELECT service, entity, updated_at, unnest(keys) AS k FROM profiles) AS held
