-- Grain: one profile that does not stand any more: its customer is otherwise now, or gone. Keys: service, entity. Columns:
-- the keys, is_gone.
-- Inputs: before (identity/profiles); now (profiles_fingerprinted.sql); fresh (profiles_fresh.sql).
SELECT b.service, b.entity, f.entity IS NULL AS is_gone
FROM (SELECT service, entity FROM before b ANTI JOIN now n ON n.fingerprint = b.fingerprint) AS b
LEFT JOIN fresh f ON f.service = b.service AND f.entity = b.entity
