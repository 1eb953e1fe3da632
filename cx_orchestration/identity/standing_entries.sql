-- Grain: one entry of the ledger that was made and has not been retracted since.
-- Keys: link_id, made_at, match_weight, evidence, model_version. Columns: link_id, left_service, left_entity,
-- right_service, right_entity, rule, match_weight, evidence, model_version, made_at; copies, how many times it was made
-- more than it was retracted.
-- Input: ledger. Parameter: $family, the part of a rule before the colon; null for all.
-- A link may be made, retracted and made again: an entry stands while it was made more often than it was
-- retracted, whatever the clocks of the runs said. Runs at the same time may make a link twice: then several entries of
-- one link stand, or several copies of one entry, until all of them are retracted.
SELECT link_id, any_value(left_service) AS left_service, any_value(left_entity) AS left_entity,
       any_value(right_service) AS right_service, any_value(right_entity) AS right_entity, any_value(rule) AS rule,
       match_weight, evidence, model_version, made_at,
       sum(CASE WHEN retracted_at IS NULL THEN 1 ELSE -1 END)::BIGINT AS copies
FROM ledger
-- The range leaves out whole files; what it lets through besides is left out by the comparison.
WHERE $family IS NULL OR (rule >= $family AND rule < $family || ';' AND split_part(rule, ':', 1) = $family)
GROUP BY link_id, match_weight, evidence, model_version, made_at
HAVING sum(CASE WHEN retracted_at IS NULL THEN 1 ELSE -1 END) > 0
