-- Grain: one block whose pairs may be others than before. Keys: block.
-- Inputs: capped (blocks_capped.sql), of those that were looked at; blocks_before, those of entities that changed or are
-- gone, as they were; blocks_present (blocks_present.sql); flipped (flipped.sql).
SELECT block FROM capped WHERE changed
UNION
SELECT block FROM blocks_before
UNION
SELECT p.block
FROM blocks_present p SEMI JOIN flipped f ON f.unique_id = p.unique_id
GROUP BY p.block
HAVING count(*) > 1
