-- Grain: one entity that is new, gone, or has a profile or keys of a person that are other than when it was compared last.
-- Keys: service, entity.
-- Inputs: told (profiles_told.sql); kept (fields_kept.sql); personal_keys (personal_keys.sql). A fingerprint is of service
-- and entity too, so it alone is compared.
SELECT service, entity FROM told t ANTI JOIN kept k ON k.profile = t.profile
UNION
SELECT service, entity FROM kept k ANTI JOIN told t ON t.profile = k.profile
UNION
SELECT coalesce(p.service, k.service), coalesce(p.entity, k.entity)
FROM personal_keys p
FULL JOIN (SELECT service, entity, keys FROM kept WHERE is_short) AS k ON k.service = p.service AND k.entity = p.entity
WHERE p.entity IS NULL OR k.entity IS NULL OR p.keys IS DISTINCT FROM k.keys
