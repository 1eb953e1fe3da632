-- Grain: one link, standing or retracted, that has an end among some entities. Keys: link_id.
-- Columns: link_id, left_service, left_entity, right_service, right_entity, rule, match_weight and evidence as last made,
-- model_version, first_made_at, made_at (last), retracted_at and retracted_why (null while it stands).
-- Inputs: ledger; entities (service, entity).
SELECT link_id, left_service, left_entity, right_service, right_entity, rule,
       arg_max(match_weight, made_at) AS match_weight,
       arg_max(evidence, made_at) AS evidence,
       arg_max(model_version, made_at) AS model_version,
       min(made_at) AS first_made_at,
       max(made_at) AS made_at,
       CASE WHEN sum(CASE WHEN retracted_at IS NULL THEN 1 ELSE -1 END) > 0 THEN NULL
            ELSE max(retracted_at) END AS retracted_at,
       CASE WHEN sum(CASE WHEN retracted_at IS NULL THEN 1 ELSE -1 END) > 0 THEN NULL
            ELSE arg_max(retracted_why, retracted_at) END AS retracted_why
FROM ledger
WHERE EXISTS (SELECT 1 FROM entities e WHERE e.service = left_service AND e.entity = left_entity)
   OR EXISTS (SELECT 1 FROM entities e WHERE e.service = right_service AND e.entity = right_entity)
GROUP BY link_id, left_service, left_entity, right_service, right_entity, rule
ORDER BY left_service, left_entity, right_service, right_entity, rule
