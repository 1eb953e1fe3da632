-- Grain: one pair of entities and kind of rule. Columns: left_code, right_code, kind (0 exact, 1 model, 2 always,
-- 3 never), match_weight, the sum over the pair's standing links of the kind.
-- Input: near (resolve_near.sql). An entry stands while it was made more often than it was retracted; of a link that runs
-- at the same time made twice the newest entry counts (standing_links.sql says it for whole rows).
-- Nearly all links have one entry, so only the others are looked at entry by entry.
WITH entries AS MATERIALIZED (
    SELECT left_code, right_code, rule, match_weight, made_at,
           CASE WHEN retracted_at IS NULL THEN 1 ELSE -1 END::TINYINT AS copies
    FROM near
),
links AS (
    SELECT left_code, right_code, rule, count(*) AS entries, any_value(match_weight) AS match_weight,
           any_value(copies) AS copies
    FROM entries
    GROUP BY left_code, right_code, rule
),
several AS (
    SELECT e.left_code, e.right_code, e.rule, e.match_weight, e.made_at
    FROM entries e
    SEMI JOIN (SELECT * FROM links WHERE entries > 1) AS l
      ON l.left_code = e.left_code AND l.right_code = e.right_code AND l.rule = e.rule
    GROUP BY e.left_code, e.right_code, e.rule, e.match_weight, e.made_at
    HAVING sum(e.copies) > 0
),
standing AS (
    SELECT left_code, right_code, rule, match_weight FROM links WHERE entries = 1 AND copies > 0
    UNION ALL
    SELECT left_code, right_code, rule, arg_max(match_weight, (made_at, match_weight))
    FROM several
    GROUP BY left_code, right_code, rule
),
kinds AS (
    SELECT left_code, right_code, match_weight,
           CASE
               WHEN split_part(rule, ':', 1) = 'model' THEN 1
               WHEN rule = 'decided:always' THEN 2
               WHEN rule = 'decided:never' THEN 3
               WHEN split_part(rule, ':', 1) = 'exact' THEN 0
           END::TINYINT AS kind
    FROM standing
)
SELECT left_code, right_code, kind, match_weight FROM kinds WHERE kind > 0
UNION ALL
SELECT left_code, right_code, kind, sum(match_weight)
FROM kinds
WHERE kind = 0
GROUP BY left_code, right_code, kind
