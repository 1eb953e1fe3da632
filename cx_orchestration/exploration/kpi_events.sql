-- Grain: one KPI of all events in one quarter of an hour in which it is not 0 (kpi, quarter).
-- Columns: value. Quarters of an hour are counted from 1970 in UTC: hours of every time zone are made of whole ones.
-- Inputs: events (integration/events, of the landed days that matter), support_types (type). Parameter: $currency.
-- Several landed days may report one event: the newest counts.
WITH reported AS (
    SELECT
        type, amount, currency, score, CAST(floor(epoch_us(occurred_at) / 900000000) AS BIGINT) AS quarter,
        ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY day DESC, occurred_at DESC) AS report
    FROM events
)
SELECT 'contacts' AS kpi, r.quarter, CAST(count(*) AS DOUBLE) AS value
FROM reported AS r
JOIN support_types AS t ON t.type = r.type
WHERE r.report = 1
GROUP BY r.quarter
UNION ALL
SELECT 'revenue', quarter, CAST(sum(amount) AS DOUBLE)
FROM reported
WHERE report = 1 AND amount IS NOT NULL AND currency = $currency
GROUP BY quarter
UNION ALL
SELECT 'answers', quarter, CAST(count(*) AS DOUBLE)
FROM reported
WHERE report = 1 AND score IS NOT NULL
GROUP BY quarter
