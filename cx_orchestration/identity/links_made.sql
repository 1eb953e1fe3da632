-- Grain: one link that is wanted and of which no entry stands as it is wanted.
-- Keys: left_service, left_entity, right_service, right_entity, rule. Columns: those of the ledger.
-- Inputs: wanted; entries (standing_entries.sql). Parameters: $names, the UUID (32 hexadecimal digits) under which links
-- are named; $now.
-- The link's id is the UUIDv5 of pair and rule, joined by the unit separator.
SELECT uuid5($names, concat_ws(chr(31), left_service, left_entity, right_service, right_entity, rule)) AS link_id,
       left_service, left_entity, right_service, right_entity, rule, match_weight, evidence,
       $now::TIMESTAMPTZ AS made_at, NULL::TIMESTAMPTZ AS retracted_at, NULL::VARCHAR AS retracted_why, model_version
FROM wanted w
WHERE NOT EXISTS (
    SELECT 1 FROM entries s
    WHERE s.left_service = w.left_service AND s.left_entity = w.left_entity
      AND s.right_service = w.right_service AND s.right_entity = w.right_entity
      AND s.rule = w.rule AND s.match_weight = w.match_weight AND s.evidence = w.evidence
      AND s.model_version IS NOT DISTINCT FROM w.model_version
)
