-- Grain: one rule of blocks that is of use. Keys: rule. Columns: rule, cap (the largest block to compare), pairs (in
-- its blocks up to that size).
-- Input: blocks. Parameters: $largest (no cap is above it), $pairs (how many pairs a rule may bring).
WITH sizes AS (
    SELECT rule, size, count(*) AS blocks
    FROM (SELECT rule, count(*) AS size FROM blocks GROUP BY rule, block) AS counted
    WHERE size BETWEEN 2 AND $largest
    GROUP BY rule, size
),
running AS (
    SELECT rule, size, sum(blocks * size * (size - 1) / 2) OVER (PARTITION BY rule ORDER BY size) AS pairs FROM sizes
)
SELECT rule, max(size) AS cap, max(pairs)::BIGINT AS pairs
FROM running
WHERE pairs <= $pairs
GROUP BY rule
ORDER BY rule
