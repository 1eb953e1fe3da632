-- Grain: one entity in a block to learn from. Keys: rule, block, unique_id.
-- Inputs: blocks; rules (rule); limits (sample, about how many pairs of a rule; largest, the largest block). Of rules with
-- more pairs blocks are drawn by their hashes, so that the same entities give the same.
WITH sizes AS (
    SELECT b.rule, b.block, count(*) AS size
    FROM blocks b SEMI JOIN rules r ON r.rule = b.rule
    GROUP BY b.rule, b.block
    HAVING count(*) BETWEEN 2 AND (SELECT largest FROM limits)
),
shares AS (
    SELECT rule, (SELECT sample FROM limits) / sum(size * (size - 1) / 2) AS share FROM sizes GROUP BY rule
),
chosen AS (
    SELECT s.rule, s.block
    FROM sizes s JOIN shares h ON h.rule = s.rule
    WHERE (s.block >> 19) % 1000000 < h.share * 1000000
)
SELECT b.rule, b.block, b.unique_id FROM blocks b SEMI JOIN chosen c ON c.rule = b.rule AND c.block = b.block
