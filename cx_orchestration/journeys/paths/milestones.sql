-- Grain: one customer on the way to one milestone of one journey: every customer with an instance, for every milestone.
-- Columns: number, the milestone's; first_at, the customer's first event, on the map or off; began_at, the first move of
--   the first instance; reached_at, the first move into the milestone's step, or null; moves, how many the customer made
--   after the beginning until then, or null; ended, the customer's instances that have ended; ended_reached, those of
--   them that came to the step. Times are microseconds since 1970. No column tells who the customer is.
-- Inputs: steps (journeys/steps), instances (journeys/instances), sequences (journeys/sequences), milestones (number,
--   journey, step). Parameter: $as_of, up to which events count.
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
ended AS (
    SELECT journey, customer_id, count(*) AS instances
    FROM instances
    WHERE status <> 'active'
    GROUP BY journey, customer_id
),
ended_there AS (
    SELECT m.number, i.customer_id, count(DISTINCT i.instance_id) AS instances
    FROM moves AS v
    JOIN milestones AS m ON m.journey = v.journey AND m.step = v.step
    JOIN instances AS i ON i.journey = v.journey AND i.instance_id = v.instance_id
    WHERE i.status <> 'active'
    GROUP BY m.number, i.customer_id
),
firsts AS (
    SELECT customer_id, min(occurred_us) AS first_at FROM sequences GROUP BY customer_id
)
SELECT
    m.number, f.first_at, b.began_at, c.reached_at, c.moves,
    coalesce(e.instances, 0) AS ended, coalesce(t.instances, 0) AS ended_reached
FROM begun AS b
JOIN milestones AS m ON m.journey = b.journey
JOIN firsts AS f ON f.customer_id = b.customer_id
LEFT JOIN came AS c ON c.number = m.number AND c.customer_id = b.customer_id
LEFT JOIN ended AS e ON e.journey = b.journey AND e.customer_id = b.customer_id
LEFT JOIN ended_there AS t ON t.number = m.number AND t.customer_id = b.customer_id
