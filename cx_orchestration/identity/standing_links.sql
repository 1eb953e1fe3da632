-- Grain: one link that stands. Keys: link_id. Columns: link_id, left_service, left_entity, right_service, right_entity,
-- rule, match_weight, evidence, model_version, made_at; of a link that runs at the same time made twice, those of the
-- newest entry.
-- Input: entries (standing_entries.sql).
SELECT link_id, left_service, left_entity, right_service, right_entity, rule, match_weight, evidence, model_version,
       made_at
FROM (
    SELECT *,
           row_number() OVER (
               PARTITION BY link_id ORDER BY made_at DESC, evidence, match_weight, model_version
           ) AS position
    FROM entries
) AS ranked
WHERE position = 1
ORDER BY left_service, left_entity, right_service, right_entity, rule
