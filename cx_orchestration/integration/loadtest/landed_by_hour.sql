-- How many records of one stream were landed, by the hour in which the service last changed them.
-- Grain: one hour of UTC with records. Key: hour_began. Columns: hour_began, records.
-- Inputs: landed (landing/<service>/<stream>, the days that count).
SELECT
    date_trunc('hour', updated_at) AS hour_began,
    count(*) AS records
FROM landed
WHERE updated_at IS NOT NULL
GROUP BY date_trunc('hour', updated_at)
ORDER BY hour_began
