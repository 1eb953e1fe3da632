-- Grain: one entity whose pairs are looked at. Keys: service, entity.
-- Inputs: rows (fields_now.sql); present (fields_present.sql); flipped (flipped.sql).
SELECT service, entity FROM rows WHERE changed
UNION
SELECT p.service, p.entity FROM present p SEMI JOIN flipped f ON f.unique_id = p.unique_id
