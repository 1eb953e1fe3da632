-- Grain: one entity in a block that has become too large to compare, or small enough. Keys: unique_id.
-- Inputs: blocks (blocks_met.sql, now); blocks_before (of the entities that changed or are gone, as they were); caps (rule, cap).
WITH moved AS (
    SELECT rule, block, sum(came) AS came, sum(went) AS went
    FROM (
        SELECT rule, block, 1 AS came, 0 AS went FROM blocks WHERE changed
        UNION ALL
        SELECT rule, block, 0, 1 FROM blocks_before
    ) AS moves
    GROUP BY rule, block
    HAVING sum(came) <> sum(went)
),
sizes AS (
    SELECT b.rule, b.block, count(*) AS size, any_value(m.came) AS came, any_value(m.went) AS went
    FROM blocks b JOIN moved m ON m.rule = b.rule AND m.block = b.block
    GROUP BY b.rule, b.block
)
SELECT DISTINCT b.unique_id
FROM blocks b
JOIN sizes s ON s.rule = b.rule AND s.block = b.block
JOIN caps c ON c.rule = s.rule
WHERE (s.size > c.cap) <> (s.size - s.came + s.went > c.cap)
