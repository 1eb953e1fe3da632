-- Grain: one stream with records in quarantine. Key: stream.
-- Columns: rejected, landed records with at least one reason. Inputs: rejected (integration/rejected_records, some days
--   of one service).
SELECT stream, count(*) AS rejected
FROM (SELECT DISTINCT stream, day, record_id FROM rejected) AS records
GROUP BY stream
ORDER BY stream
