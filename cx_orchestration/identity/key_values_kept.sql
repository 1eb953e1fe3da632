-- Grain: one value that several entities hold, as the lake keeps it. Keys: namespace, digest.
-- Columns: those of identity/key_values.
-- Inputs: key_values (key_values.sql), of the values that were looked at; previous, as the run before left them; judged
-- (namespace, digest), those of them that were looked at. Parameter: $now.
SELECT namespace, digest, entities, names, verdict, why,
       CASE WHEN was = verdict THEN since_then ELSE $now::TIMESTAMPTZ END AS since, fingerprint
FROM key_values
UNION ALL
SELECT namespace, digest, entities, names, verdict, why, since, fingerprint
FROM previous p
WHERE NOT EXISTS (SELECT 1 FROM judged j WHERE j.namespace = p.namespace AND j.digest = p.digest)
