-- Grain: one record that landed before a day and was not deleted since. Key: record_id.
-- Columns: record_id, digest (MD5 of its newest payload, hexadecimal).
-- Inputs: landed (one landing table). Parameters: before (a day).
SELECT record_id, md5(payload) AS digest
FROM (
    SELECT
        record_id,
        payload,
        deleted,
        row_number() OVER (PARTITION BY record_id ORDER BY day DESC, updated_at DESC NULLS LAST) AS age
    FROM landed
    WHERE day < $before
) AS versions
WHERE age = 1 AND deleted IS NOT TRUE
