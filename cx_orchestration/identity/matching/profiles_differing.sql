-- Grain: one fingerprint of a profile whose entity is looked at: it is new, gone, or has keys of a person that are other
-- than when it was compared last. Keys: profile.
-- Inputs: told (profiles_told.sql); kept (fields_kept.sql); personal_keys (personal_keys.sql). A fingerprint is of service
-- and entity too, so it stands for the entity: that of an entity that changed is there twice, as it was and as it is.
WITH standing AS (
    SELECT profile FROM kept
)
SELECT profile FROM told t ANTI JOIN standing k ON k.profile = t.profile
UNION
SELECT profile FROM standing k ANTI JOIN told t ON t.profile = k.profile
UNION
SELECT coalesce(p.profile, k.profile)
FROM personal_keys p FULL JOIN (SELECT profile, keys FROM kept WHERE is_short) AS k ON k.profile = p.profile
WHERE p.profile IS NULL OR k.profile IS NULL OR p.keys IS DISTINCT FROM k.keys
