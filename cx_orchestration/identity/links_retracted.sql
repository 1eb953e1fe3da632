-- Grain: one copy of an entry of the ledger that stands and is no longer wanted as it stands: an entry that was made
-- twice is retracted twice.
-- Columns: those of the ledger.
-- Inputs: wanted; entries (standing_entries.sql), those that were looked at; reasons (digest, why), the values that link
-- nobody. Parameter: $now.
WITH gone AS (
    SELECT s.* EXCLUDE (copies), unnest(range(copies)) AS copy
    FROM entries s
    WHERE NOT EXISTS (
        SELECT 1 FROM wanted w
        WHERE w.left_service = s.left_service AND w.left_entity = s.left_entity
          AND w.right_service = s.right_service AND w.right_entity = s.right_entity
          AND w.rule = s.rule AND w.match_weight = s.match_weight AND w.evidence = s.evidence
          AND w.model_version IS NOT DISTINCT FROM s.model_version
    )
),
evidence AS (
    SELECT DISTINCT link_id, made_at, unnest(json_extract_string(evidence, '$.digests[*]')) AS digest FROM gone
),
explained AS (
    SELECT e.link_id, e.made_at, min(r.why) AS why
    FROM evidence e JOIN reasons r ON r.digest = e.digest
    GROUP BY e.link_id, e.made_at
)
SELECT g.* EXCLUDE (copy), $now::TIMESTAMPTZ AS retracted_at,
       CASE
           WHEN EXISTS (
               SELECT 1 FROM wanted w
               WHERE w.left_service = g.left_service AND w.left_entity = g.left_entity
                 AND w.right_service = g.right_service AND w.right_entity = g.right_entity AND w.rule = g.rule
           ) THEN 'made again with other evidence'
           WHEN r.why IS NOT NULL THEN r.why
           ELSE 'no longer supported by ' || g.rule
       END AS retracted_why
FROM gone g LEFT JOIN explained r ON r.link_id = g.link_id AND r.made_at = g.made_at
