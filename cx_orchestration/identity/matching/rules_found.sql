-- Grain: one set of rules that find the same pairs. Keys: found_by (the bits of the rules, in one number). Columns: pairs;
-- matches, how many of them are expected to be one person.
-- Inputs: rule_pairs (candidates_drawn.sql); scored, those of them that weigh something. A weight of w bits is a
-- probability of 1 / (1 + 2 ** -w).
WITH weighed AS (
    SELECT p.match_key, 1 / (1 + power(2, -s.match_weight)) AS probability
    FROM rule_pairs p LEFT JOIN scored s ON s.join_key_l = p.join_key_l AND s.join_key_r = p.join_key_r
)
SELECT match_key AS found_by, count(*) AS pairs, coalesce(sum(probability), 0.0) AS matches
FROM weighed
GROUP BY match_key
ORDER BY match_key
