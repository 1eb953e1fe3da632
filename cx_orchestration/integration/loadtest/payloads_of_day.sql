-- Landed records of one stream that the service last changed within a day, the first ones of it.
-- Grain: one landed record. Key: updated_at, record_id. Columns: payload.
-- Inputs: landed (landing/<service>/<stream>). Parameters: start, until (instants), most (rows).
SELECT payload
FROM landed
WHERE updated_at >= $start AND updated_at < $until
ORDER BY updated_at, record_id, payload
LIMIT $most
