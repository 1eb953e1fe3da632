-- Grain: one pair of entities to compare. Keys: join_key_l, join_key_r (unique_id, the smaller one first).
-- Columns: the keys and match_key ('0', as Splink calls the rule that found a pair).
-- Input: capped (blocks_capped.sql), of all. A block with more entities than its cap says nothing of a person, and its
-- pairs are found by narrower rules.
WITH live AS (
    SELECT block FROM capped GROUP BY block HAVING count(*) BETWEEN 2 AND block % 128
),
chosen AS (
    SELECT c.block, c.unique_id FROM capped c SEMI JOIN live l ON l.block = c.block
),
pairs AS (
    SELECT DISTINCT l.unique_id AS join_key_l, r.unique_id AS join_key_r
    FROM chosen l JOIN chosen r ON r.block = l.block AND r.unique_id > l.unique_id
)
SELECT join_key_l, join_key_r, '0' AS match_key FROM pairs
