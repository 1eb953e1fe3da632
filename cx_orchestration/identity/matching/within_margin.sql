-- Grain: one pair that a new model wants in the ledger. Keys: left_service, left_entity, right_service, right_entity.
-- Columns: those of wanted, and kept: whether weight, evidence and model are those of the standing row, because the pair
-- would change sides of the threshold by less than the margin.
-- Inputs: wanted; standing, the ledger's current links. Parameters: $rule, $threshold and $margin (bits).
SELECT w.left_service, w.left_entity, w.right_service, w.right_entity, w.rule,
       CASE WHEN s.kept THEN s.match_weight ELSE w.match_weight END AS match_weight,
       CASE WHEN s.kept THEN s.evidence ELSE w.evidence END AS evidence,
       CASE WHEN s.kept THEN s.model_version ELSE w.model_version END AS model_version,
       coalesce(s.kept, false) AS kept
FROM wanted w
LEFT JOIN (
    SELECT o.*, n.model_version <> o.model_version
                AND (n.match_weight >= $threshold) <> (o.match_weight >= $threshold)
                AND abs(n.match_weight - $threshold) < $margin AS kept
    FROM standing o
    JOIN wanted n ON n.left_service = o.left_service AND n.left_entity = o.left_entity
                 AND n.right_service = o.right_service AND n.right_entity = o.right_entity
    WHERE o.rule = $rule
) AS s ON s.left_service = w.left_service AND s.left_entity = w.left_entity
      AND s.right_service = w.right_service AND s.right_entity = w.right_entity
ORDER BY w.left_service, w.left_entity, w.right_service, w.right_entity
