-- Grain: one link that is wanted and of which no entry stands as it is wanted.
-- Keys: left_service, left_entity, right_service, right_entity, rule. Columns: the keys, match_weight, evidence.
-- Inputs: wanted; entries (standing_entries.sql).
SELECT w.left_service, w.left_entity, w.right_service, w.right_entity, w.rule, w.match_weight, w.evidence
FROM wanted w
WHERE NOT EXISTS (
    SELECT 1 FROM entries s
    WHERE s.left_service = w.left_service AND s.left_entity = w.left_entity
      AND s.right_service = w.right_service AND s.right_entity = w.right_entity
      AND s.rule = w.rule AND s.match_weight = w.match_weight AND s.evidence = w.evidence
)
ORDER BY w.left_service, w.left_entity, w.right_service, w.right_entity, w.rule
