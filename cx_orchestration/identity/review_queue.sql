-- Grain: one pair of records that a person should look at: the likeliest of two customers, or a pair within one customer
-- that nothing but its score holds. Keys: left_service, left_entity, right_service, right_entity. Sorted by rank.
-- Columns: rank, the keys, together (they are one customer now), match_weight (bits), probability (that they are one
-- person), stake (events and records that a decision could move), value (expected: stake times the chance that what
-- stands is wrong), evidence.
-- Inputs: links, those that stand; identity_map; events. Parameters: $lowest, $highest (bits), $most (rows).
WITH placed AS (
    SELECT k.*, a.customer_id AS left_customer, b.customer_id AS right_customer
    FROM links k
    JOIN identity_map a ON a.service = k.left_service AND a.entity = k.left_entity
    JOIN identity_map b ON b.service = k.right_service AND b.entity = k.right_entity
),
-- Nobody is asked what people decided, nor what stands by a shared key.
settled AS (
    SELECT DISTINCT left_service, left_entity, right_service, right_entity
    FROM links
    WHERE rule <> 'model'
),
apart AS (
    SELECT DISTINCT least(left_customer, right_customer) AS one, greatest(left_customer, right_customer) AS other
    FROM placed
    WHERE rule = 'decided:never'
),
weights AS (
    SELECT m.service, m.entity, m.customer_id, 1 + coalesce(e.events, 0) AS weight
    FROM identity_map m
    LEFT JOIN (
        SELECT service, entity, count(DISTINCT event_id) AS events FROM events GROUP BY service, entity
    ) AS e ON e.service = m.service AND e.entity = m.entity
),
sizes AS (
    SELECT customer_id, sum(weight) AS weight FROM weights GROUP BY customer_id
),
open AS (
    SELECT p.*, p.left_customer = p.right_customer AS together, 1 / (1 + pow(2, -p.match_weight)) AS probability,
           CASE WHEN p.left_customer = p.right_customer THEN least(l.weight, r.weight)
                ELSE least(x.weight, y.weight) END::BIGINT AS stake,
           row_number() OVER (
               PARTITION BY least(p.left_customer, p.right_customer), greatest(p.left_customer, p.right_customer),
                   CASE WHEN p.left_customer = p.right_customer THEN p.link_id ELSE '' END
               ORDER BY p.match_weight DESC, p.link_id
           ) AS place
    FROM placed p
    ANTI JOIN settled s ON s.left_service = p.left_service AND s.left_entity = p.left_entity
        AND s.right_service = p.right_service AND s.right_entity = p.right_entity
    ANTI JOIN apart a ON a.one = least(p.left_customer, p.right_customer)
        AND a.other = greatest(p.left_customer, p.right_customer)
    JOIN weights l ON l.service = p.left_service AND l.entity = p.left_entity
    JOIN weights r ON r.service = p.right_service AND r.entity = p.right_entity
    JOIN sizes x ON x.customer_id = p.left_customer
    JOIN sizes y ON y.customer_id = p.right_customer
    WHERE p.rule = 'model' AND p.match_weight BETWEEN $lowest AND $highest
),
valued AS (
    SELECT *, round(stake * CASE WHEN together THEN 1 - probability ELSE probability END, 6) AS value
    FROM open
    WHERE place = 1
),
ranked AS (
    SELECT *, row_number() OVER (
               ORDER BY value DESC, left_service, left_entity, right_service, right_entity
           )::BIGINT AS rank
    FROM valued
)
SELECT rank, left_service, left_entity, right_service, right_entity, together, match_weight, probability, stake, value,
       evidence
FROM ranked
WHERE rank <= $most
ORDER BY rank
