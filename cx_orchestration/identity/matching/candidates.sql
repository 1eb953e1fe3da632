-- Grain: one pair of entities to compare. Keys: join_key_l, join_key_r (unique_id, the smaller one first).
-- Columns: the keys and match_key (as Splink calls the rule that found a pair; here always '0').
-- Inputs: blocks; caps (rule, cap), how many entities a block of a rule may have: a larger one says nothing of a
-- person, and its pairs are found by narrower rules. Of a pair one end at least has changed.
WITH live AS (
    SELECT b.rule, b.block
    FROM blocks b JOIN caps c ON c.rule = b.rule
    GROUP BY b.rule, b.block, c.cap
    HAVING count(*) BETWEEN 2 AND c.cap AND bool_or(b.changed)
),
members AS (
    SELECT b.rule, b.block, b.unique_id, b.changed FROM blocks b SEMI JOIN live l ON l.rule = b.rule AND l.block = b.block
)
SELECT DISTINCT l.unique_id AS join_key_l, r.unique_id AS join_key_r, '0' AS match_key
FROM members l
JOIN members r ON r.block = l.block AND r.rule = l.rule AND r.unique_id > l.unique_id
WHERE l.changed OR r.changed
