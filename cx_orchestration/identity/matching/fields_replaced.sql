-- Grain: one row of identity/matching_fields that does not stand, or not any more. Keys: number.
-- Inputs: stored (identity/matching_fields); former, those rows of it that are replaced now.
SELECT replaces AS number FROM stored WHERE replaces IS NOT NULL
UNION ALL
SELECT number FROM former
