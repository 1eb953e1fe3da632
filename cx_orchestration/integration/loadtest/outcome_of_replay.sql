-- The records of one stream that were offered, held against those that landed and what the mapping made of them.
-- Grain: one row. Columns, all numbers of records: lost (offered, not landed), doubled (landed more than once, or with
-- an event that stands there more than once), unasked_for (landed, but never offered), without_outcome (landed, with
-- neither event nor rejection).
-- Inputs: offered (record_id), landed (landing/<service>/<stream>), events (integration/events), rejected
-- (integration/rejected_records). Parameters: stream.
WITH ours AS (
    SELECT event_id, record_id FROM events WHERE stream = $stream
),
mapped AS (
    SELECT record_id FROM ours
    UNION
    SELECT record_id FROM rejected WHERE stream = $stream
),
repeated AS (
    SELECT record_id FROM landed GROUP BY record_id HAVING count(*) > 1
    UNION
    SELECT record_id FROM ours GROUP BY event_id, record_id HAVING count(*) > 1
)
SELECT
    (SELECT count(*) FROM (SELECT record_id FROM offered EXCEPT SELECT record_id FROM landed) AS o) AS lost,
    (SELECT count(*) FROM repeated) AS doubled,
    (SELECT count(*) FROM (SELECT record_id FROM landed EXCEPT SELECT record_id FROM offered) AS l) AS unasked_for,
    (SELECT count(*) FROM (SELECT record_id FROM landed EXCEPT SELECT record_id FROM mapped) AS l) AS without_outcome
