-- Grain: one pair of entities to compare, of which one at least was drawn. Keys: join_key_l, join_key_r (unique_id, the
-- smaller one first). Columns: the keys and match_key, the bits of all rules that find it, in one number.
-- Inputs: blocks (blocks.sql); offered_rules (rule, cap, bit); drawn_entities (unique_id). Blocks count as in candidates.sql.
WITH theirs AS (
    SELECT b.block, r.cap, r.bit, b.unique_id
    FROM blocks b
    SEMI JOIN drawn_entities d ON d.unique_id = b.unique_id
    JOIN offered_rules r ON r.rule = b.rule
),
met AS (
    SELECT b.block, b.unique_id FROM blocks b SEMI JOIN theirs t ON t.block = b.block
),
sizes AS (
    SELECT block, count(*) AS size FROM met GROUP BY block
),
chosen AS (
    SELECT t.block, t.bit, t.unique_id FROM theirs t JOIN sizes s ON s.block = t.block WHERE s.size BETWEEN 2 AND t.cap
)
SELECT least(c.unique_id, m.unique_id) AS join_key_l, greatest(c.unique_id, m.unique_id) AS join_key_r,
       bit_or(c.bit) AS match_key
FROM chosen c JOIN met m ON m.block = c.block AND m.unique_id <> c.unique_id
GROUP BY join_key_l, join_key_r
