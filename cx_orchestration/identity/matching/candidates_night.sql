-- Grain: one pair of entities to compare, of which one at least has changed, or that was compared before and is in a
-- block that crossed its cap. Keys: join_key_l, join_key_r (unique_id, the smaller one first).
-- Columns: the keys and match_key ('0', as Splink calls the rule that found a pair; '1' where neither has changed).
-- Inputs: met (blocks_met.sql), all that are in touched blocks; flipped (flipped.sql). Blocks count as in candidates.sql.
-- A pair of others that a block brought, or brings now, has both ends in that block, so both are flipped.
WITH live AS (
    SELECT block FROM met GROUP BY block HAVING count(*) BETWEEN 2 AND block % 128
),
chosen AS (
    SELECT m.block, m.unique_id, m.changed FROM met m SEMI JOIN live l ON l.block = m.block
),
pairs AS (
    SELECT DISTINCT CASE WHEN c.unique_id < o.unique_id THEN c.unique_id ELSE o.unique_id END AS join_key_l,
           CASE WHEN c.unique_id < o.unique_id THEN o.unique_id ELSE c.unique_id END AS join_key_r
    FROM (SELECT block, unique_id FROM chosen WHERE changed) AS c
    JOIN chosen o ON o.block = c.block AND o.unique_id <> c.unique_id
),
turned AS (
    SELECT c.block, c.unique_id FROM chosen c SEMI JOIN flipped f ON f.unique_id = c.unique_id
),
others AS (
    SELECT DISTINCT l.unique_id AS join_key_l, r.unique_id AS join_key_r
    FROM turned l JOIN turned r ON r.block = l.block AND r.unique_id > l.unique_id
)
SELECT join_key_l, join_key_r, '0' AS match_key FROM pairs
UNION ALL
SELECT join_key_l, join_key_r, '1' FROM others
