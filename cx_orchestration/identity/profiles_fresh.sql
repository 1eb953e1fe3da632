-- Grain: one customer of one service who is new, or otherwise than before. Keys: service, entity. Columns: the keys, place.
-- Inputs: profiles, as received, and place; now (profiles_fingerprinted.sql); before (identity/profiles). A fingerprint is
-- of service and entity too, so it alone is compared.
WITH fresh AS (
    SELECT who FROM now n ANTI JOIN before b ON b.fingerprint = n.fingerprint
)
SELECT service, entity, place FROM profiles WHERE hash(service, entity) IN (SELECT who FROM fresh)
