-- Grain: one KPI of one journey's instances in one quarter of an hour in which it is not 0 (journey, kpi, quarter).
-- Columns: value. Quarters of an hour are counted from 1970 in UTC.
-- Input: instances (journeys/instances).
SELECT journey, kpi, CAST(floor(epoch_us(happened_at) / 900000000) AS BIGINT) AS quarter, CAST(count(*) AS DOUBLE) AS value
FROM (
    SELECT journey, 'started' AS kpi, started_at AS happened_at FROM instances
    UNION ALL
    SELECT journey, status AS kpi, ended_at AS happened_at FROM instances WHERE status <> 'active'
) AS happened
GROUP BY journey, kpi, CAST(floor(epoch_us(happened_at) / 900000000) AS BIGINT)
