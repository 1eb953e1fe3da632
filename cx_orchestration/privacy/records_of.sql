-- The records that gave events of these persons.
-- grain: one record. Key: service, stream, record_id. Columns: service, stream, record_id.
SELECT DISTINCT e.service, e.stream, e.record_id
FROM events e
JOIN persons p ON e.service = p.service AND e.entity = p.entity
WHERE e.record_id IS NOT NULL
