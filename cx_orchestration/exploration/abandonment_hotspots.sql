-- Grain: one customer's first entry into one step at which a journey can be abandoned (journey, step, customer_id),
--   provided the time allowed there had passed before $as_of: younger entries cannot be judged, whatever they did.
-- Columns: hit, 1 if the customer did not move on to another step within that time; amount, the revenue after the entry
--   of those who did, in $currency.
-- Inputs: entries (entries.sql), waits (journey, step, wait in microseconds), sequences.
WITH judged AS (
    SELECT
        e.journey, e.step, e.customer_id, e.event_id, e.entered_at,
        CASE WHEN e.left_at <= e.entered_at + w.wait THEN 0 ELSE 1 END AS hit
    FROM entries AS e
    JOIN waits AS w ON w.journey = e.journey AND w.step = e.step
    WHERE e.entered_at + w.wait < epoch_us($as_of)
),
money AS (
    SELECT customer_id, event_id, epoch_us(occurred_at) AS at, amount
    FROM sequences
    WHERE currency = $currency AND amount IS NOT NULL AND occurred_at < $as_of
),
earned AS (
    SELECT j.journey, j.step, j.customer_id, sum(m.amount) AS amount
    FROM judged AS j
    JOIN money AS m
        ON m.customer_id = j.customer_id
        AND (m.at > j.entered_at OR (m.at = j.entered_at AND m.event_id > j.event_id))
    WHERE j.hit = 0
    GROUP BY j.journey, j.step, j.customer_id
)
SELECT j.journey, j.step, j.customer_id, j.hit, CAST(coalesce(e.amount, 0) AS DECIMAL(38, 4)) AS amount
FROM judged AS j
LEFT JOIN earned AS e ON e.journey = j.journey AND e.step = j.step AND e.customer_id = j.customer_id
