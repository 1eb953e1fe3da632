-- Grain: one value that several entities hold, as the lake keeps it. Keys: namespace, digest.
-- Columns: those of identity/key_values. Input: key_values (key_values.sql). Parameter: $now.
SELECT namespace, digest, entities, names, verdict, why,
       CASE WHEN was = verdict THEN since_then ELSE $now::TIMESTAMPTZ END AS since, fingerprint
FROM key_values
