-- Grain: one of some blocks that an entity is in. Keys: block, unique_id. Columns: those of blocks.sql.
-- Inputs: touched (rule, block), those blocks; blocks_now (blocks.sql), of those that were looked at; stored
-- (identity/matching_fields), of the others; replaced (fields_replaced.sql).
SELECT t.rule, s.block, s.number AS unique_id, false AS changed
FROM (SELECT number, unnest(blocks) AS block FROM stored WHERE is_there) AS s
JOIN touched t ON t.block = s.block
ANTI JOIN replaced d ON d.number = s.number
UNION ALL
SELECT n.rule, n.block, n.unique_id, n.changed
FROM blocks_now n SEMI JOIN touched t ON t.block = n.block
