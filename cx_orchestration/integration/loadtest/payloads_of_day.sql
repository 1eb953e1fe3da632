-- Landed records of one stream that the service last changed within a day, the first ones of it; none that was deleted.
-- Grain: one landed record. Key: updated_at, record_id. Columns: payload.
-- Inputs: landed (landing/<service>/<stream>). Parameters: start, until (instants), most (rows).
SELECT payload
FROM landed
WHERE updated_at >= $start AND updated_at < $until AND deleted IS NOT TRUE
ORDER BY updated_at, record_id, payload
LIMIT $most
