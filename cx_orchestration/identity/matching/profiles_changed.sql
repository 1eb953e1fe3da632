-- Grain: one entity whose texts are other than when its fields were kept. Keys: service, entity. Columns: those of texts.
-- Inputs: texts (profiles_fingerprinted.sql); kept (identity/matching_fields).
SELECT t.*
FROM texts t
WHERE NOT EXISTS (
    SELECT 1 FROM kept k WHERE k.service = t.service AND k.entity = t.entity AND k.fingerprint = t.fingerprint
)
