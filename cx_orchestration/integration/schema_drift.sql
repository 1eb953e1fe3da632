-- Grain: one landed record, none that was deleted, of a sample that is the same whenever the same days are asked for.
-- Columns: payload. Inputs: landed (landing/<service>/<stream>, some days). Parameters: most, longest (characters).
SELECT payload
FROM landed
WHERE length(payload) <= $longest AND deleted IS NOT TRUE
ORDER BY md5(record_id || CAST(day AS VARCHAR)), record_id
LIMIT $most
