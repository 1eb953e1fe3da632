-- Grain: the ledger, one row. Columns: standing (links of which an entry was made more often than it was retracted).
-- Input: ledger.
SELECT count(DISTINCT link_id) AS standing
FROM (
    SELECT link_id
    FROM ledger
    GROUP BY link_id, match_weight, evidence, model_version, made_at
    HAVING sum(CASE WHEN retracted_at IS NULL THEN 1 ELSE -1 END) > 0
) AS entries
