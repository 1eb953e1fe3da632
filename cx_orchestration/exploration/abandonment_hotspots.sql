-- Grain: one customer's entry into one step at which a journey can be abandoned (journey, step, customer_id, place),
--   provided twice the time allowed there had passed before $as_of: younger entries cannot be judged, whatever they did.
-- Columns: entered_at; hit, 1 if the customer rested there longer than that, so that the journey counts as abandoned, in a rest
--   that began within that time after the entry: everybody is judged over the same time, however often they did the
--   step again; amount, the revenue after the entry of those who did not, in $currency; early, 1 for those who came in
--   the first half of the time, at which half of the step's customers had come.
-- Inputs: entries (entries.sql), visits (visits.sql), waits (journey, step, wait in microseconds), sequences.
WITH judged AS (
    SELECT
        e.journey, e.step, e.customer_id, e.place, e.event_id, e.entered_at,
        max(
            CASE
                WHEN v.moved_at <= e.entered_at + w.wait
                    AND coalesce(v.next_at, epoch_us($as_of)) - v.moved_at > w.wait THEN 1
                ELSE 0
            END
        ) AS hit
    FROM entries AS e
    JOIN waits AS w ON w.journey = e.journey AND w.step = e.step
    JOIN visits AS v
        ON v.journey = e.journey AND v.step = e.step AND v.customer_id = e.customer_id AND v.place = e.place
    WHERE e.entered_at + 2 * w.wait < epoch_us($as_of)
    GROUP BY e.journey, e.step, e.customer_id, e.place, e.event_id, e.entered_at
),
middles AS (
    SELECT journey, step, percentile_disc(0.5) WITHIN GROUP (ORDER BY entered_at) AS middle
    FROM judged
    GROUP BY journey, step
),
money AS (
    SELECT customer_id, event_id, epoch_us(occurred_at) AS at, amount
    FROM sequences
    WHERE currency = $currency AND amount IS NOT NULL AND occurred_at < $as_of
),
earned AS (
    SELECT j.journey, j.step, j.customer_id, j.place, sum(m.amount) AS amount
    FROM judged AS j
    JOIN money AS m
        ON m.customer_id = j.customer_id
        AND (m.at > j.entered_at OR (m.at = j.entered_at AND m.event_id > j.event_id))
    WHERE j.hit = 0
    GROUP BY j.journey, j.step, j.customer_id, j.place
)
SELECT
    j.journey, j.step, j.customer_id, j.place, j.entered_at, j.hit,
    CAST(coalesce(e.amount, 0) AS DECIMAL(38, 4)) AS amount,
    CASE WHEN j.entered_at <= h.middle THEN 1 ELSE 0 END AS early
FROM judged AS j
JOIN middles AS h ON h.journey = j.journey AND h.step = j.step
LEFT JOIN earned AS e
    ON e.journey = j.journey AND e.step = j.step AND e.customer_id = j.customer_id AND e.place = j.place
