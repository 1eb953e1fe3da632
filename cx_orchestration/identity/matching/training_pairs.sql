-- Grain: one pair of entities that may be learnt from, once in each kind of pairs that it is of.
-- Columns: join_key_l, join_key_r (unique_id, the smaller one first), match_key (the kind: a rule of blocks,
-- `neighbours` of one surname, `housemates` of one street and number or of one surname in one postcode, `candidates`, or
-- `strangers`), millionths (how many of a million are to be taken, chosen by a hash of the two, so that the same
-- entities give the same pairs).
-- Inputs: blocks, candidates; shuffled (unique_id, family, place: a random one that stays); drawn (join_key_l,
-- join_key_r), random pairs; rules (rule); limits (sample, about how many pairs of a kind; largest, the largest block).
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
),
members AS (
    SELECT b.rule, b.block, b.unique_id FROM blocks b SEMI JOIN chosen c ON c.rule = b.rule AND c.block = b.block
),
followers AS (
    SELECT unique_id, lead(unique_id, 1) OVER by_surname AS first, lead(unique_id, 2) OVER by_surname AS second,
           lead(unique_id, 3) OVER by_surname AS third
    FROM shuffled
    WHERE family IS NOT NULL
    WINDOW by_surname AS (PARTITION BY family ORDER BY place, unique_id)
),
surnames AS (
    SELECT unique_id, unnest([first, second, third]) AS other FROM followers
),
totals AS (
    SELECT (SELECT sample FROM limits) * 1000000 / (SELECT 3 * count(*) + 1 FROM shuffled) AS neighbours,
           (SELECT sample FROM limits) * 1000000 / (SELECT count(*) + 1 FROM candidates) AS candidates
)
SELECT l.unique_id AS join_key_l, r.unique_id AS join_key_r, l.rule AS match_key, 1e6::DOUBLE AS millionths
FROM members l JOIN members r ON r.rule = l.rule AND r.block = l.block AND r.unique_id > l.unique_id
UNION ALL
SELECT l.unique_id, r.unique_id, 'housemates', 1e6::DOUBLE
FROM members l JOIN members r ON r.rule = l.rule AND r.block = l.block AND r.unique_id > l.unique_id
WHERE l.rule IN ('street', 'postcode family')
UNION ALL
SELECT least(unique_id, other), greatest(unique_id, other), 'neighbours', (SELECT neighbours FROM totals)
FROM surnames
WHERE other IS NOT NULL
UNION ALL
SELECT join_key_l, join_key_r, 'candidates', (SELECT candidates FROM totals)
FROM candidates
UNION ALL
SELECT join_key_l, join_key_r, 'strangers', 1e6::DOUBLE FROM drawn
