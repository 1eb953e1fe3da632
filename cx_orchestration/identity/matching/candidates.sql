-- Grain: one pair of entities to compare. Keys: join_key_l, join_key_r (unique_id, the smaller one first).
-- Columns: the keys and match_key ('0', as Splink calls the rule that found a pair; '1' where neither has changed).
-- Input: met (blocks_met.sql), all that are in these blocks. A block with more entities than its cap says nothing of a
-- person, and its pairs are found by narrower rules. Of a pair one end at least has changed, or both are flipped: a pair
-- of others that a block brought, or brings now, has both ends in that block.
WITH live AS (
    SELECT block FROM met GROUP BY block HAVING count(*) BETWEEN 2 AND block % 128
),
chosen AS (
    SELECT m.block, m.unique_id, m.changed, m.flipped FROM met m SEMI JOIN live l ON l.block = m.block
)
SELECT DISTINCT l.unique_id AS join_key_l, r.unique_id AS join_key_r,
       CASE WHEN l.changed OR r.changed THEN '0' ELSE '1' END AS match_key
FROM chosen l
JOIN chosen r ON r.block = l.block AND r.unique_id > l.unique_id
WHERE l.changed OR r.changed OR l.flipped AND r.flipped
