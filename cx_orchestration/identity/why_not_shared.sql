-- Grain: one value that records of two customers share. Keys: namespace, value.
-- Columns: the keys; verdict, why and entities (of identity/key_values; null when it is not judged yet); names_fit,
-- in_time and signed_in (whether two of the holders, one of each customer, pass this guard of exact_links.sql);
-- days_apart (the fewest between two of them; null where it is not known when).
-- Inputs: holders (holders.sql); named (named_holders.sql); records (service, entity, side: 0 or 1); key_values
-- (identity/key_values); namespaces.
WITH sides AS (
    SELECT h.*, r.side, n.name
    FROM holders h
    JOIN records r ON r.service = h.service AND r.entity = h.entity
    LEFT JOIN named n ON n.code = h.code AND n.service = h.service AND n.entity = h.entity
),
pairs AS (
    SELECT a.namespace, a.value, v.verdict, v.why, v.entities,
           coalesce(a.name = b.name, false) AS names_fit,
           NOT n.needs_authenticated OR a.authenticated OR b.authenticated AS signed_in,
           greatest(a.first_seen, b.first_seen) - least(a.last_seen, b.last_seen) AS apart, n.valid_for_days
    FROM sides a
    JOIN sides b ON b.code = a.code AND a.side = 0 AND b.side = 1
    JOIN namespaces n ON n.namespace = a.namespace
    LEFT JOIN key_values v
      ON v.namespace = a.namespace AND v.digest = digest_of(a.namespace, a.value)
)
SELECT namespace, value, verdict, why, entities, bool_or(names_fit) AS names_fit, bool_or(signed_in) AS signed_in,
       bool_or(valid_for_days IS NULL OR NOT coalesce(apart > to_days(valid_for_days::INTEGER), false)) AS in_time,
       (epoch(min(apart)) // 86400)::BIGINT AS days_apart
FROM pairs
GROUP BY namespace, value, verdict, why, entities
ORDER BY namespace, value
