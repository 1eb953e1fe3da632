-- Grain: one block that an entity is in now. Keys: block, unique_id. Columns: those of blocks_capped.sql.
-- Inputs: capped (blocks_capped.sql), of those that were looked at; stored (identity/matching_fields), of the others;
-- replaced (fields_replaced.sql).
SELECT block, unique_id, changed FROM capped
UNION ALL
SELECT unnest(s.blocks), s.number, false
FROM stored s ANTI JOIN replaced d ON d.number = s.number
WHERE s.is_there
