-- Grain: one block whose pairs may be others than before. Keys: block.
-- Inputs: capped (blocks_capped.sql), of those that were looked at; blocks_before, those of entities that changed or are
-- gone, as they were; stored (identity/matching_fields); flipped (flipped.sql).
SELECT block FROM capped WHERE changed
UNION
SELECT block FROM blocks_before
UNION
SELECT block
FROM (
    SELECT c.block FROM capped c SEMI JOIN flipped f ON f.unique_id = c.unique_id
    UNION ALL
    SELECT unnest(s.blocks) AS block FROM stored s SEMI JOIN flipped f ON f.unique_id = s.number
) AS theirs
GROUP BY block
HAVING count(*) > 1
