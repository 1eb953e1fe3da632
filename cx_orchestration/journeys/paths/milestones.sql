-- Grain: one customer on the way to one milestone of one journey: every customer with an instance, for every milestone.
-- Columns: number, the milestone's; first_at, the customer's first event, on the map or off; began_at, the first move of
--   the first instance; reached_at, the first move into the milestone's step, or null; moves, how many the customer made
--   after the beginning until then, or null; matured, the customer's instances that began at least the window ago;
--   matured_reached, those of them that came to the step within it. Times are microseconds since 1970. No column tells who the customer is.
-- Inputs: steps (journeys/steps), instances (journeys/instances), sequences (journeys/sequences), milestones (number,
--   journey, step, window_us). Parameter: $as_of, up to which events count.
WITH moves AS (
    SELECT
        journey, customer_id, instance_id, to_state AS step, epoch_us(occurred_at) AS moved_at,
        ROW_NUMBER() OVER (PARTITION BY journey, customer_id ORDER BY occurred_at, event_id, seq) AS place
    FROM steps
    WHERE NOT deviation AND occurred_at < $as_of
),
begun AS (
    SELECT journey, customer_id, min(moved_at) AS began_at FROM moves GROUP BY journey, customer_id
),
came AS (
    SELECT m.number, v.customer_id, min(v.moved_at) AS reached_at, min(v.place) - 1 AS moves
    FROM moves AS v
    JOIN milestones AS m ON m.journey = v.journey AND m.step = v.step
    GROUP BY m.number, v.customer_id
),
spans AS (
    SELECT journey, max(window_us) AS window_us FROM milestones GROUP BY journey
),
over_by AS (
    SELECT i.journey, i.customer_id, count(*) AS instances
    FROM instances AS i
    JOIN spans AS s ON s.journey = i.journey
    WHERE epoch_us(i.started_at) + s.window_us < epoch_us($as_of)
    GROUP BY i.journey, i.customer_id
),
over_there AS (
    SELECT m.number, i.customer_id, count(DISTINCT i.instance_id) AS instances
    FROM moves AS v
    JOIN milestones AS m ON m.journey = v.journey AND m.step = v.step
    JOIN instances AS i ON i.journey = v.journey AND i.instance_id = v.instance_id
    WHERE epoch_us(i.started_at) + m.window_us < epoch_us($as_of)
        AND v.moved_at <= epoch_us(i.started_at) + m.window_us
    GROUP BY m.number, i.customer_id
),
firsts AS (
    SELECT customer_id, min(occurred_us) AS first_at FROM sequences GROUP BY customer_id
)
SELECT
    m.number, f.first_at, b.began_at, c.reached_at, c.moves,
    coalesce(o.instances, 0) AS matured, coalesce(t.instances, 0) AS matured_reached
FROM begun AS b
JOIN milestones AS m ON m.journey = b.journey
JOIN firsts AS f ON f.customer_id = b.customer_id
LEFT JOIN came AS c ON c.number = m.number AND c.customer_id = b.customer_id
LEFT JOIN over_by AS o ON o.journey = b.journey AND o.customer_id = b.customer_id
LEFT JOIN over_there AS t ON t.number = m.number AND t.customer_id = b.customer_id
