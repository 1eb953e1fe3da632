-- Grain: one entity whose texts are other than when its fields were kept. Keys: service, entity.
-- Columns: those of profiles that are compared as text, and their fingerprint.
-- Inputs: profiles; told (profiles_fingerprinted.sql); kept (identity/matching_fields).
WITH differing AS (
    SELECT t.service, t.entity, t.fingerprint
    FROM told t
    ANTI JOIN kept k ON k.service = t.service AND k.entity = t.entity AND k.fingerprint = t.fingerprint
)
SELECT p.service, p.entity, p.name, p.given_name, p.family_name, p.birth_date, p.street, p.postcode, p.city, p.country,
       d.fingerprint
FROM profiles p JOIN differing d ON d.service = p.service AND d.entity = p.entity
