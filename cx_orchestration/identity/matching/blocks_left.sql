-- Grain: one block that may have been too large to compare before an erasure, and is not now. Keys: block.
-- Inputs: capped (blocks_capped.sql), of those that were looked at; stored (identity/matching_fields), of the others;
-- replaced (fields_replaced.sql). Parameter: $erased, how many entities have been erased at most: of which blocks is not
-- known any more.
SELECT block
FROM (
    SELECT block FROM capped
    UNION ALL
    SELECT unnest(s.blocks) AS block FROM stored s ANTI JOIN replaced d ON d.number = s.number WHERE s.is_there
) AS present
GROUP BY block
HAVING count(*) BETWEEN block % 128 - $erased + 1 AND block % 128
