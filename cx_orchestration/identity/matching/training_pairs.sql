-- Grain: one pair of entities that may be learnt from, once in each kind of pairs that it is of.
-- Columns: join_key_l, join_key_r (unique_id, the smaller one first), match_key (the kind: a rule of blocks,
-- `neighbours` of one surname, `housemates` of one street and number or of one surname in one postcode, or
-- `strangers`).
-- Inputs: members (training_members.sql); shuffled (unique_id, family, place: a random one that stays);
-- drawn (join_key_l, join_key_r), random pairs.
WITH followers AS (
    SELECT unique_id, lead(unique_id, 1) OVER by_surname AS first, lead(unique_id, 2) OVER by_surname AS second,
           lead(unique_id, 3) OVER by_surname AS third
    FROM shuffled
    WHERE family IS NOT NULL
    WINDOW by_surname AS (PARTITION BY family ORDER BY place, unique_id)
),
surnames AS (
    SELECT unique_id, unnest([first, second, third]) AS other FROM followers
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
UNION ALL
SELECT join_key_l, join_key_r, 'strangers' FROM drawn
