-- Grain: one known segment value of one customer at one entry into a step
--   (journey, step, customer_id, place, segment); customers whose value is unknown at that instant have no row.
-- Columns: segment_value.
-- Inputs: entries (entries.sql), sequences, profiles, identity_map, segments (journey, segment as declared in its map).
-- Parameter: $as_of.
-- Besides the declared segments every customer has, unless the map declares one of the same name: channel, of the event
-- that led there; came_from, the step before, or 'nowhere'; came_back, 'yes' if it is not the customer's first instance.
-- An attribute that any event carries is read from events only: the value on the event that led to the step, else the
-- latest before it. Otherwise the latest profile that has a value gives it.
WITH names AS (
    SELECT DISTINCT segment FROM segments
),
on_events AS (
    SELECT
        s.customer_id, n.segment, s.event_id, epoch_us(s.occurred_at) AS at,
        json_extract_string(s.attributes, '$.' || n.segment) AS segment_value
    FROM sequences AS s
    JOIN names AS n ON position('"' || n.segment || '"' IN s.attributes) > 0
    WHERE s.occurred_at < $as_of
),
carried AS (
    SELECT * FROM on_events WHERE segment_value <> ''
),
carried_names AS (
    SELECT DISTINCT segment FROM carried
),
from_events AS (
    SELECT
        e.journey, e.step, e.customer_id, e.place, c.segment, c.segment_value,
        ROW_NUMBER() OVER (
            PARTITION BY e.journey, e.step, e.customer_id, e.place, c.segment ORDER BY c.at DESC, c.event_id DESC
        ) AS age
    FROM entries AS e
    JOIN segments AS g ON g.journey = e.journey
    JOIN carried AS c
        ON c.customer_id = e.customer_id
        AND c.segment = g.segment
        AND (c.at < e.entered_at OR (c.at = e.entered_at AND c.event_id <= e.event_id))
),
on_profiles AS (
    SELECT
        m.customer_id, n.segment, p.updated_at, p.service, p.entity,
        coalesce(
            json_extract_string(p.attributes, '$.' || n.segment),
            CASE n.segment WHEN 'country' THEN p.country WHEN 'city' THEN p.city ELSE NULL END
        ) AS segment_value
    FROM profiles AS p
    JOIN identity_map AS m ON m.service = p.service AND m.entity = p.entity
    CROSS JOIN names AS n
    WHERE n.segment NOT IN (SELECT segment FROM carried_names)
),
latest_profiles AS (
    SELECT
        customer_id, segment, segment_value,
        ROW_NUMBER() OVER (
            PARTITION BY customer_id, segment ORDER BY updated_at DESC NULLS LAST, service, entity
        ) AS age
    FROM on_profiles
    WHERE segment_value <> ''
)
SELECT journey, step, customer_id, place, segment, segment_value
FROM from_events
WHERE age = 1
UNION ALL
SELECT e.journey, e.step, e.customer_id, e.place, g.segment, l.segment_value
FROM entries AS e
JOIN segments AS g ON g.journey = e.journey
JOIN latest_profiles AS l ON l.customer_id = e.customer_id AND l.segment = g.segment AND l.age = 1
UNION ALL
SELECT u.journey, u.step, u.customer_id, u.place, u.segment, u.segment_value
FROM (
    SELECT journey, step, customer_id, place, 'channel' AS segment, channel AS segment_value FROM entries
    UNION ALL
    SELECT journey, step, customer_id, place, 'came_from', coalesce(came_from, 'nowhere') FROM entries
    UNION ALL
    SELECT journey, step, customer_id, place, 'came_back', CASE WHEN came_back = 1 THEN 'yes' ELSE 'no' END FROM entries
) AS u
LEFT JOIN segments AS g ON g.journey = u.journey AND g.segment = u.segment
WHERE g.segment IS NULL AND u.segment_value <> ''
