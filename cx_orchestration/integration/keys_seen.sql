-- The identity keys of the customers of all services, with when and how they were seen.
-- grain: service, entity, namespace, value (unique). Columns: these, first_seen, last_seen (null where no record and no
-- event that has the key tells a time), state (the best it was seen in: authenticated, then logged_out, then ambiguous).
-- Inputs: profile_records (service, entity, keys, authenticated_state, updated_at; one row a record, its latest
-- version), events (integration/events), services (service: those asked for).
SELECT service, entity, key.namespace AS namespace, key.value AS value,
  MIN(seen_at) AS first_seen, MAX(seen_at) AS last_seen,
  CASE MAX(CASE state WHEN 'authenticated' THEN 2 WHEN 'logged_out' THEN 1 ELSE 0 END)
    WHEN 2 THEN 'authenticated' WHEN 1 THEN 'logged_out' ELSE 'ambiguous'
  END AS state
FROM (
  SELECT service, entity, UNNEST(keys) AS key, updated_at AS seen_at, authenticated_state AS state
  FROM profile_records
  UNION ALL
  SELECT service, entity, UNNEST(keys) AS key, occurred_at AS seen_at, authenticated_state AS state
  FROM events
  WHERE service IN (SELECT service FROM services)
)
GROUP BY service, entity, key.namespace, key.value
