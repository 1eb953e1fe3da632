-- Grain: one landed day that has records. Key: day.
-- Columns: records; ids, distinct record ids; without_id; without_time_of_reading; without_payload; not_json, payloads
--   that are no JSON text and go to quarantine when they are mapped.
-- Inputs: landed (landing/<service>/<stream>, some days).
SELECT
    day,
    count(*) AS records,
    count(DISTINCT record_id) AS ids,
    count(CASE WHEN record_id IS NULL OR record_id = '' THEN 1 ELSE NULL END) AS without_id,
    count(CASE WHEN extracted_at IS NULL THEN 1 ELSE NULL END) AS without_time_of_reading,
    count(CASE WHEN payload IS NULL OR payload = '' THEN 1 ELSE NULL END) AS without_payload,
    count(CASE WHEN NOT json_valid(payload) THEN 1 ELSE NULL END) AS not_json
FROM landed
GROUP BY day
ORDER BY day
