-- Grain: one block that an entity is in now, of those that are touched. Keys: block, unique_id. Columns: those of
-- blocks_capped.sql.
-- Inputs: capped (blocks_capped.sql), of those that were looked at; stored (identity/matching_fields), of the others;
-- replaced (fields_replaced.sql); touched (block).
-- The question is wrapped: where DuckDB sees a join it may keep the blocks of all in memory, as it takes a list for one row.
WITH kept AS (
    SELECT o.block, o.unique_id
    FROM (SELECT unnest(blocks) AS block, number AS unique_id FROM stored WHERE is_there) AS o
    WHERE coalesce(o.block IN (SELECT block FROM touched), false)
)
SELECT c.block, c.unique_id, c.changed FROM capped c SEMI JOIN touched t ON t.block = c.block
UNION ALL
SELECT k.block, k.unique_id, false FROM kept k ANTI JOIN replaced d ON d.number = k.unique_id
