-- Grain: one customer who came to a step (journey, step, customer_id) and one type of friction event (type) that at
--   least $least of those customers met there, for customers followed until the end of the horizon.
-- Columns: met, 1 if the customer met it while at the step and within $landmark microseconds after the entry, 0 if not
--   within that time at all (who met it in that time after leaving the step is in neither group); revenue in $currency
--   and contacts with support from the landmark to the horizon; horizon_days; early, 1 for those who came in the first half
--   of the time, at which half of the step's customers had come.
-- Both groups are told apart at the same instant, the landmark, and followed from there for the same time: nobody has to
-- stay a customer in order to be counted as having met the event.
-- The horizon is the time for which half of the step's customers were followed after the landmark, in whole days.
-- Inputs: entries (entries.sql), friction_types and support_types (journey, type), sequences.
WITH indexed AS (
    SELECT *, entered_at + $landmark AS landmark_at
    FROM entries
    WHERE journey IN (SELECT journey FROM friction_types)
),
spans AS (
    SELECT journey, step, percentile_disc(0.5) WITHIN GROUP (ORDER BY epoch_us($as_of) - landmark_at) AS followed
    FROM indexed
    GROUP BY journey, step
),
followed AS (
    SELECT i.*, m.followed - m.followed % 86400000000 AS horizon
    FROM indexed AS i
    JOIN spans AS m ON m.journey = i.journey AND m.step = i.step
    WHERE i.landmark_at + m.followed - m.followed % 86400000000 <= epoch_us($as_of) AND m.followed >= 86400000000
),
middles AS (
    SELECT journey, step, percentile_disc(0.5) WITHIN GROUP (ORDER BY entered_at) AS middle
    FROM followed
    GROUP BY journey, step
),
frictions AS (
    SELECT t.journey, t.type, s.customer_id, s.event_id, epoch_us(s.occurred_at) AS at
    FROM sequences AS s
    JOIN friction_types AS t ON t.type = s.type
    WHERE s.occurred_at < $as_of
),
meetings AS (
    SELECT
        f.journey, f.step, f.customer_id, x.type,
        max(CASE WHEN f.left_at < x.at THEN 0 ELSE 1 END) AS at_the_step
    FROM followed AS f
    JOIN frictions AS x
        ON x.journey = f.journey
        AND x.customer_id = f.customer_id
        AND (x.at > f.entered_at OR (x.at = f.entered_at AND x.event_id > f.event_id))
        AND x.at < f.landmark_at
    GROUP BY f.journey, f.step, f.customer_id, x.type
),
candidates AS (
    SELECT journey, step, type
    FROM meetings
    WHERE at_the_step = 1
    GROUP BY journey, step, type
    HAVING count(*) >= $least
),
happened AS (
    SELECT
        customer_id, type, epoch_us(occurred_at) AS at,
        CASE WHEN currency = $currency THEN amount ELSE NULL END AS amount
    FROM sequences
    WHERE occurred_at < $as_of AND (currency = $currency OR type IN (SELECT type FROM support_types))
),
totals AS (
    SELECT f.journey, f.step, f.customer_id, sum(h.amount) AS revenue, count(s.type) AS contacts
    FROM followed AS f
    JOIN happened AS h
        ON h.customer_id = f.customer_id AND h.at >= f.landmark_at AND h.at < f.landmark_at + f.horizon
    LEFT JOIN support_types AS s ON s.journey = f.journey AND s.type = h.type
    GROUP BY f.journey, f.step, f.customer_id
)
SELECT
    f.journey, f.step, c.type, f.customer_id,
    coalesce(m.at_the_step, 0) AS met,
    CAST(coalesce(t.revenue, 0) AS DOUBLE) AS revenue,
    coalesce(t.contacts, 0) AS contacts,
    f.horizon / 86400000000 AS horizon_days,
    CASE WHEN f.entered_at <= h.middle THEN 1 ELSE 0 END AS early
FROM followed AS f
JOIN middles AS h ON h.journey = f.journey AND h.step = f.step
JOIN candidates AS c ON c.journey = f.journey AND c.step = f.step
LEFT JOIN meetings AS m
    ON m.journey = f.journey AND m.step = f.step AND m.customer_id = f.customer_id AND m.type = c.type
LEFT JOIN totals AS t ON t.journey = f.journey AND t.step = f.step AND t.customer_id = f.customer_id
WHERE m.at_the_step IS NULL OR m.at_the_step = 1
ORDER BY f.journey, f.step, c.type, f.customer_id
