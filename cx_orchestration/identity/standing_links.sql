-- Grain: one link that the ledger made and has not retracted since.
-- Keys: link_id, made_at. Columns: link_id, left_service, left_entity, right_service, right_entity, rule,
-- match_weight, evidence, made_at.
-- Input: ledger. A link may be made, retracted and made again: an entry stands while it was made once more than
-- it was retracted, whatever the clocks of the runs said.
SELECT link_id, left_service, left_entity, right_service, right_entity, rule, match_weight, evidence, made_at
FROM ledger
GROUP BY link_id, left_service, left_entity, right_service, right_entity, rule, match_weight, evidence, made_at
HAVING sum(CASE WHEN retracted_at IS NULL THEN 1 ELSE -1 END) > 0
ORDER BY left_service, left_entity, right_service, right_entity, rule, made_at
