-- Grain: one entity that is in candidates. Keys: unique_id (from 0, in the order of service and entity). Columns: unique_id,
-- former_id (its unique_id in candidates).
-- Inputs: present (fields_present.sql); candidates (candidates_night.sql).
WITH ends AS (
    SELECT join_key_l AS unique_id FROM candidates UNION SELECT join_key_r FROM candidates
)
SELECT p.unique_id AS former_id, (row_number() OVER (ORDER BY p.service, p.entity) - 1)::BIGINT AS unique_id
FROM present p SEMI JOIN ends e ON e.unique_id = p.unique_id
