-- Grain: one pair of entities to compare. Keys: join_key_l, join_key_r (unique_id, the smaller one first).
-- Columns: the keys and match_key (as Splink calls the rule that found a pair; here always '0').
-- Inputs: blocks; caps (rule, cap), how many entities a block of a rule may have: a larger one says nothing of a
-- person, and its pairs are found by narrower rules; flipped (flipped.sql). Of a pair one end at least has changed or
-- is among those flipped.
WITH touched AS (
    SELECT b.block FROM blocks b JOIN caps c ON c.rule = b.rule WHERE b.changed
    UNION
    SELECT b.block FROM blocks b JOIN caps c ON c.rule = b.rule SEMI JOIN flipped f ON f.unique_id = b.unique_id
),
members AS (
    SELECT b.rule, b.block, b.unique_id, b.changed OR f.unique_id IS NOT NULL AS changed
    FROM blocks b
    SEMI JOIN touched t ON t.block = b.block
    LEFT JOIN flipped f ON f.unique_id = b.unique_id
),
live AS (
    SELECT m.block
    FROM members m JOIN caps c ON c.rule = m.rule
    GROUP BY m.block, c.cap
    HAVING count(*) BETWEEN 2 AND c.cap
),
chosen AS (
    SELECT m.block, m.unique_id, m.changed FROM members m SEMI JOIN live l ON l.block = m.block
)
SELECT DISTINCT l.unique_id AS join_key_l, r.unique_id AS join_key_r, '0' AS match_key
FROM chosen l
JOIN chosen r ON r.block = l.block AND r.unique_id > l.unique_id
WHERE l.changed OR r.changed
