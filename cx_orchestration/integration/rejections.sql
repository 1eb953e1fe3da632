-- Grain: one stream with records in quarantine. Key: stream.
-- Columns: rejected, landed records with at least one reason, each once however many days it landed in. Inputs: rejected (integration/rejected_records, some days
--   of one service).
SELECT stream, count(DISTINCT record_id) AS rejected
FROM rejected
GROUP BY stream
ORDER BY stream
