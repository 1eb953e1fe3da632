-- Grain: one known segment value of one customer at the beginning of one journey (journey, customer_id, segment), of
--   the customers who were followed for at least the journey's horizon before $as_of.
-- Columns: segment_value, early (1 in the first half of the time, at which half of them had begun), revenue in $currency and contacts with support within the horizon; path, the steps in the
--   order in which the customer first came to them within it.
-- The horizon is the time for which two thirds of the journey's customers were followed, in whole days: it depends on
-- when customers began, not on what they did, and is the same for all.
-- Inputs: entries (entries.sql), clusters (clusters.sql), support_types (journey, type), sequences.
WITH begun AS (
    SELECT journey, step, customer_id, event_id, entered_at FROM entries WHERE position = 1
),
spans AS (
    SELECT journey, percentile_disc(1.0 / 3) WITHIN GROUP (ORDER BY epoch_us($as_of) - entered_at) AS followed
    FROM begun
    GROUP BY journey
),
followed AS (
    SELECT b.*, b.entered_at + m.followed - m.followed % 86400000000 AS until
    FROM begun AS b
    JOIN spans AS m ON m.journey = b.journey
    WHERE b.entered_at + m.followed - m.followed % 86400000000 <= epoch_us($as_of) AND m.followed >= 86400000000
),
middles AS (
    SELECT journey, percentile_disc(0.5) WITHIN GROUP (ORDER BY entered_at) AS middle
    FROM followed
    GROUP BY journey
),
happened AS (
    SELECT
        customer_id, event_id, type, epoch_us(occurred_at) AS at,
        CASE WHEN currency = $currency THEN amount ELSE NULL END AS amount
    FROM sequences
    WHERE occurred_at < $as_of AND (currency = $currency OR type IN (SELECT type FROM support_types))
),
totals AS (
    SELECT f.journey, f.customer_id, sum(h.amount) AS revenue, count(s.type) AS contacts
    FROM followed AS f
    JOIN happened AS h
        ON h.customer_id = f.customer_id
        AND (h.at > f.entered_at OR (h.at = f.entered_at AND h.event_id >= f.event_id))
        AND h.at < f.until
    LEFT JOIN support_types AS s ON s.journey = f.journey AND s.type = h.type
    GROUP BY f.journey, f.customer_id
),
paths AS (
    SELECT f.journey, f.customer_id, string_agg(e.step, ' > ' ORDER BY e.position) AS path
    FROM followed AS f
    JOIN entries AS e ON e.journey = f.journey AND e.customer_id = f.customer_id AND e.entered_at < f.until
    GROUP BY f.journey, f.customer_id
)
SELECT
    f.journey, c.segment, c.segment_value, f.customer_id,
    CAST(coalesce(t.revenue, 0) AS DOUBLE) AS revenue,
    coalesce(t.contacts, 0) AS contacts,
    p.path,
    CASE WHEN f.entered_at <= h.middle THEN 1 ELSE 0 END AS early
FROM followed AS f
JOIN middles AS h ON h.journey = f.journey
JOIN clusters AS c ON c.journey = f.journey AND c.step = f.step AND c.customer_id = f.customer_id
JOIN paths AS p ON p.journey = f.journey AND p.customer_id = f.customer_id
LEFT JOIN totals AS t ON t.journey = f.journey AND t.customer_id = f.customer_id
ORDER BY f.journey, c.segment, c.segment_value, f.customer_id
