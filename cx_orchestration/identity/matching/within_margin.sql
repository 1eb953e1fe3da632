-- Grain: one pair that stays as it stands, because a new model would move it to the other side of the threshold by less
-- than the margin. Keys: place. Columns: those of ledger.WANTED as they stand, place (of the pair in what is wanted).
-- Inputs: near, what the new model wants within the margin of the threshold; standing, links of the rule. Parameter:
-- $threshold (bits).
SELECT o.left_service, o.left_entity, o.right_service, o.right_entity, o.rule, o.match_weight, o.evidence, o.model_version,
       n.place
FROM near n
JOIN standing o ON o.left_service = n.left_service AND o.left_entity = n.left_entity
               AND o.right_service = n.right_service AND o.right_entity = n.right_entity
WHERE n.model_version <> o.model_version AND (n.match_weight >= $threshold) <> (o.match_weight >= $threshold)
