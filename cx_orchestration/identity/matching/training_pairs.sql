-- Grain: one pair of entities to learn from, once in each kind of pairs that it is of.
-- Columns: join_key_l, join_key_r (unique_id, the smaller one first), match_key (the kind: a rule of blocks,
-- `neighbours` of one surname, `housemates` of one street and number or of one surname in one postcode, `candidates`, or
-- `strangers`).
-- Inputs: blocks, fields, candidates; drawn (join_key_l, join_key_r), random pairs; rules (rule). Parameters: $sample,
-- about how many pairs of a kind; $largest, the largest block. Samples are drawn by hashes, so that the same entities
-- give the same pairs.
WITH sizes AS (
    SELECT b.rule, b.block, count(*) AS size
    FROM blocks b SEMI JOIN rules r ON r.rule = b.rule
    GROUP BY b.rule, b.block
    HAVING count(*) BETWEEN 2 AND $largest
),
shares AS (
    SELECT rule, least(1.0, $sample / sum(size * (size - 1) / 2)) AS share FROM sizes GROUP BY rule
),
chosen AS (
    SELECT s.rule, s.block
    FROM sizes s JOIN shares h ON h.rule = s.rule
    WHERE (s.block >> 20) % 1000000 < h.share * 1000000
),
members AS (
    SELECT b.rule, b.block, b.unique_id FROM blocks b SEMI JOIN chosen c ON c.rule = b.rule AND c.block = b.block
),
surnames AS (
    SELECT unique_id, unnest([
        lead(unique_id, 1) OVER by_surname, lead(unique_id, 2) OVER by_surname, lead(unique_id, 3) OVER by_surname
    ]) AS other
    FROM fields
    WHERE family IS NOT NULL
    WINDOW by_surname AS (PARTITION BY family ORDER BY hash(unique_id), unique_id)
)
SELECT l.unique_id AS join_key_l, r.unique_id AS join_key_r, l.rule AS match_key
FROM members l JOIN members r ON r.rule = l.rule AND r.block = l.block AND r.unique_id > l.unique_id
UNION ALL
SELECT l.unique_id, r.unique_id, 'housemates'
FROM members l JOIN members r ON r.rule = l.rule AND r.block = l.block AND r.unique_id > l.unique_id
WHERE l.rule IN ('street', 'postcode family')
UNION ALL
SELECT least(unique_id, other), greatest(unique_id, other), 'neighbours'
FROM surnames
WHERE other IS NOT NULL
  AND hash(unique_id, other) % 1000000 < 1e6 * $sample / (SELECT 3 * count(*) + 1 FROM fields)
UNION ALL
SELECT join_key_l, join_key_r, 'candidates'
FROM candidates
WHERE hash(join_key_l, join_key_r) % 1000000 < 1e6 * $sample / (SELECT count(*) + 1 FROM candidates)
UNION ALL
SELECT join_key_l, join_key_r, 'strangers' FROM drawn
