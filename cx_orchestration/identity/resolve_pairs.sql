-- Grain: one pair of entities and kind of rule. Columns: left_code, right_code, kind (0 exact, 1 model, 2 always,
-- 3 never), match_weight, the sum over the pair's standing links of the kind.
-- Inputs: looked, entries of the ledger; records (service, entity, code). An entry stands while it was made more often than it was retracted;
-- of a link that runs at the same time made twice the newest entry counts (standing_links.sql says it for whole rows).
WITH entries AS (
    SELECT a.code AS left_code, b.code AS right_code, l.rule, l.match_weight, l.made_at,
           CASE WHEN l.retracted_at IS NULL THEN 1 ELSE -1 END AS copies
    FROM looked l
    JOIN records a ON a.service = l.left_service AND a.entity = l.left_entity
    JOIN records b ON b.service = l.right_service AND b.entity = l.right_entity
    WHERE a.code IS NOT NULL AND b.code IS NOT NULL
),
standing AS (
    SELECT left_code, right_code, rule, match_weight, made_at
    FROM entries
    GROUP BY left_code, right_code, rule, match_weight, made_at
    HAVING sum(copies) > 0
),
links AS (
    SELECT left_code, right_code, rule, arg_max(match_weight, (made_at, match_weight)) AS match_weight
    FROM standing
    GROUP BY left_code, right_code, rule
)
SELECT left_code, right_code, kind, sum(match_weight) AS match_weight
FROM (
    SELECT left_code, right_code, match_weight,
           CASE
               WHEN split_part(rule, ':', 1) = 'model' THEN 1
               WHEN rule = 'decided:always' THEN 2
               WHEN rule = 'decided:never' THEN 3
               WHEN split_part(rule, ':', 1) = 'exact' THEN 0
           END::TINYINT AS kind
    FROM links
) AS kinds
WHERE kind IS NOT NULL
GROUP BY left_code, right_code, kind
