-- Grain: one customer's entry into one step (journey, step, customer_id, place), provided the whole window after it lies
--   before $as_of.
-- Columns: entered_at; hit, 1 if the customer turned to support within $window microseconds after the entry; amount, how
--   often; early, 1 for those who came in the first half of the time, at which half of the step's customers had come.
-- Inputs: entries (entries.sql), support_types (journey, type), sequences, claimed (journey, step, from_at,
--   until_at in microseconds): contacts within the window of a claimed step, entered in that time, are not counted at
--   other steps, whoever makes them.
WITH contacts AS (
    SELECT t.journey, s.customer_id, s.event_id, epoch_us(s.occurred_at) AS at
    FROM sequences AS s
    JOIN support_types AS t ON t.type = s.type
    WHERE s.occurred_at < $as_of
),
judged AS (
    SELECT * FROM entries
    WHERE entered_at + $window <= epoch_us($as_of) AND journey IN (SELECT journey FROM support_types)
),
middles AS (
    SELECT journey, step, percentile_disc(0.5) WITHIN GROUP (ORDER BY entered_at) AS middle
    FROM judged
    GROUP BY journey, step
),
after_entry AS (
    SELECT e.journey, e.step, e.customer_id, e.place, e.entered_at, c.event_id AS contact
    FROM entries AS e
    JOIN contacts AS c
        ON c.journey = e.journey
        AND c.customer_id = e.customer_id
        AND (c.at > e.entered_at OR (c.at = e.entered_at AND c.event_id > e.event_id))
        AND c.at < e.entered_at + $window
),
claimed_contacts AS (
    SELECT a.journey, a.step, a.contact
    FROM after_entry AS a
    JOIN claimed AS k
        ON k.journey = a.journey AND k.step = a.step AND a.entered_at >= k.from_at AND a.entered_at < k.until_at
),
turned AS (
    SELECT a.journey, a.step, a.customer_id, a.place, count(*) AS contacts
    FROM after_entry AS a
    WHERE NOT EXISTS (
        SELECT 1 FROM claimed_contacts AS k
        WHERE k.journey = a.journey AND k.contact = a.contact AND k.step <> a.step
    )
    GROUP BY a.journey, a.step, a.customer_id, a.place
)
SELECT
    j.journey, j.step, j.customer_id, j.place, j.entered_at,
    CASE WHEN t.contacts > 0 THEN 1 ELSE 0 END AS hit,
    CAST(coalesce(t.contacts, 0) AS DECIMAL(38, 4)) AS amount,
    CASE WHEN j.entered_at <= h.middle THEN 1 ELSE 0 END AS early
FROM judged AS j
JOIN middles AS h ON h.journey = j.journey AND h.step = j.step
LEFT JOIN turned AS t
    ON t.journey = j.journey AND t.step = j.step AND t.customer_id = j.customer_id AND t.place = j.place
