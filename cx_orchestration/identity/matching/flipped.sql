-- Grain: one entity that has not changed, but is in a block that has become too large to compare, or small enough.
-- Keys: unique_id.
-- Inputs: met (blocks_met.sql), those in touched blocks now; blocks_before (of the entities that changed or are gone, as
-- they were). Parameter: $erased, how many entities have been erased at most: any of these blocks may have had them.
WITH moved AS (
    SELECT block, sum(came) AS came, sum(went) AS went
    FROM (
        SELECT block, 1 AS came, 0 AS went FROM met WHERE changed
        UNION ALL
        SELECT block, 0, 1 FROM blocks_before
    ) AS moves
    GROUP BY block
    HAVING sum(came) <> sum(went)
),
sizes AS (
    SELECT b.block, count(*) AS size, count(*) - coalesce(any_value(m.came), 0) + coalesce(any_value(m.went), 0) AS former
    FROM met b LEFT JOIN moved m ON m.block = b.block
    WHERE m.block IS NOT NULL OR $erased > 0
    GROUP BY b.block
)
SELECT DISTINCT b.unique_id
FROM met b JOIN sizes s ON s.block = b.block
WHERE NOT b.changed
  AND (s.size > s.block % 128 AND s.former <= s.block % 128
    OR s.size <= s.block % 128 AND s.former + $erased > s.block % 128)
