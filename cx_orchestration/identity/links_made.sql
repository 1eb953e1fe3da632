-- Grain: one link that is wanted and of which no entry stands as it is wanted.
-- Keys: left_service, left_entity, right_service, right_entity, rule. Columns: those of the ledger.
-- Inputs: wanted; entries (standing_entries.sql); run, one row: names (the UUID, as 32 hexadecimal digits, under which
-- links are named), now.
-- The link's id is the UUIDv5 (RFC 9562) of pair and rule, joined by the unit separator.
WITH missing AS (
    SELECT w.*
    FROM wanted w
    WHERE NOT EXISTS (
        SELECT 1 FROM entries s
        WHERE s.left_service = w.left_service AND s.left_entity = w.left_entity
          AND s.right_service = w.right_service AND s.right_entity = w.right_entity
          AND s.rule = w.rule AND s.match_weight = w.match_weight AND s.evidence = w.evidence
          AND s.model_version IS NOT DISTINCT FROM w.model_version
    )
),
named AS (
    SELECT *,
           sha1(from_hex((SELECT names FROM run)) || encode(concat_ws(
               chr(31), left_service, left_entity, right_service, right_entity, rule
           ))) AS name
    FROM missing
)
SELECT name[1:8] || '-' || name[9:12] || '-5' || name[14:16]
           || '-' || translate(name[17], '0123456789abcdef', '89ab89ab89ab89ab') || name[18:20]
           || '-' || name[21:32] AS link_id,
       left_service, left_entity, right_service, right_entity, rule, match_weight, evidence,
       (SELECT now FROM run) AS made_at, NULL::TIMESTAMPTZ AS retracted_at, NULL::VARCHAR AS retracted_why, model_version
FROM named
