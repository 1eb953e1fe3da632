-- Grain: one block that an entity is in, of those that are touched. Keys: block, unique_id. Columns: those of
-- blocks_capped.sql, flipped.
-- Inputs: blocks_present (blocks_present.sql); touched (blocks_touched.sql); flipped (flipped.sql).
SELECT p.block, p.unique_id, p.changed, f.unique_id IS NOT NULL AS flipped
FROM blocks_present p
SEMI JOIN touched t ON t.block = p.block
LEFT JOIN flipped f ON f.unique_id = p.unique_id
