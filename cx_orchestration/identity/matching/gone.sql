-- Grain: one entity whose fields were kept and that has no profile any more, or other fields now: what it was.
-- Keys: service, entity. Columns: those of identity/matching_fields. Inputs: kept; fields (fields_now.sql).
SELECT k.*
FROM kept k
ANTI JOIN (SELECT service, entity FROM fields WHERE NOT changed) AS f ON f.service = k.service AND f.entity = k.entity
