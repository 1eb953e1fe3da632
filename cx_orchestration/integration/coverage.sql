-- Grain: one service that landed anything. Key: service.
-- Columns: service, events (distinct event ids), rejected (reasons in quarantine).
-- Inputs: events (integration/events), rejected_records (integration/rejected_records).
SELECT
    service,
    CAST(sum(events) AS BIGINT) AS events,
    CAST(sum(rejected) AS BIGINT) AS rejected
FROM (
    SELECT service, count(DISTINCT event_id) AS events, 0 AS rejected FROM events GROUP BY service
    UNION ALL
    SELECT service, 0 AS events, count(*) AS rejected FROM rejected_records GROUP BY service
) AS counted
GROUP BY service
ORDER BY service
