-- Grain: one customer's entry into one step of one journey (journey, step, customer_id, place): the first one, or every
--   one, as the visits are.
-- Columns: place, from 1; event_id and entered_at of the event that led there; left_at, when the customer first moved on
--   to another step, in whatever instance, or null; position, the entry's place, from 1, in the order in which the
--   customer came to the steps; channel of the event, came_from, came_back (visits.sql). Times are microseconds since
--   1970.
-- Input: visits (visits.sql).
WITH entered AS (
    SELECT
        journey, step, customer_id, place,
        max(CASE WHEN begins = 1 THEN event_id ELSE NULL END) AS event_id,
        min(moved_at) AS entered_at,
        max(CASE WHEN begins = 1 THEN channel ELSE NULL END) AS channel,
        max(CASE WHEN begins = 1 THEN came_from ELSE NULL END) AS came_from,
        max(CASE WHEN begins = 1 THEN came_back ELSE 0 END) AS came_back,
        CASE WHEN count(next_at) = count(*) THEN max(next_at) ELSE NULL END AS left_at
    FROM visits
    GROUP BY journey, step, customer_id, place
)
SELECT
    journey, step, customer_id, place, event_id, entered_at, left_at,
    ROW_NUMBER() OVER (PARTITION BY journey, customer_id ORDER BY entered_at, event_id) AS position,
    channel, came_from, came_back
FROM entered
