-- Grain: one customer event of a generated company (event_id), in the columns of integration/events.
-- Columns: as model.tables.EVENTS. Every service knows people by one id, with the login as key; ids are UUIDs made of an
--   MD5 digest in bulk, not of UUIDv5's SHA-1.
-- Input: happened (person, number, moment in microseconds since 1970, type, service, stream, channel, device, product,
--   method, cents, score, score_kind), numbered through within the batch. Parameters: $batch, $zone.
WITH named AS (
    SELECT
        *,
        'b' || $batch || '-' || number AS record_id,
        'usr_' || lpad(CAST(person AS VARCHAR), 12, '0') AS entity
    FROM happened
)
SELECT
    CAST(CAST(md5(concat_ws('|', service, stream, record_id, type)) AS UUID) AS VARCHAR) AS event_id,
    type,
    make_timestamptz(moment) AS occurred_at,
    service,
    stream,
    record_id,
    channel,
    entity,
    [{'namespace': 'login', 'value': entity}] AS keys,
    CAST(cents AS DECIMAL(18, 4)) / 100 AS amount,
    CASE WHEN cents IS NULL THEN NULL ELSE 'USD' END AS currency,
    CAST(score AS DOUBLE) AS score,
    score_kind,
    '{' || concat_ws(
        ',',
        '"device":"' || device || '"',
        '"payment_method":"' || method || '"',
        '"product":"' || product || '"'
    ) || '}' AS attributes,
    CAST(timezone($zone, make_timestamptz(moment)) AS DATE) AS day
FROM named
ORDER BY moment, number
