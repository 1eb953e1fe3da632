-- Grain: one pair of records that a person should look at: the clearest of two customers that nothing parts but a value
-- only one person can have, and that differs by a slip of the pen; else the likeliest of two customers, or a pair within
-- one customer that nothing but its score holds. Keys: left_service, left_entity, right_service, right_entity. Sorted by
-- rank.
-- Columns: rank, the keys, together (they are one customer now), match_weight (bits), probability (that they are one
-- person), stake (events and records that a decision could move), value (expected: stake times the chance that what
-- stands is wrong), forbidden_by (the namespaces of the values that differ by a slip), evidence.
-- Inputs: links, those that stand; identity_map; events; keys; unique_values (service, entity, namespace, digest).
-- Parameters: $lowest, $highest (bits), $most (rows).
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
-- Two customers that a shared key, or a clear score, would make one.
clear AS (
    SELECT p.left_service, p.left_entity, p.right_service, p.right_entity, any_value(p.left_customer) AS left_customer,
           any_value(p.right_customer) AS right_customer, least(any_value(p.left_customer), any_value(p.right_customer)) AS one,
           greatest(any_value(p.left_customer), any_value(p.right_customer)) AS other, sum(p.match_weight) AS match_weight,
           min(p.link_id) AS link_id, max(p.evidence) FILTER (p.rule = 'model') AS evidence,
           list(DISTINCT split_part(p.rule, ':', 2)) FILTER (p.rule <> 'model') AS shared
    FROM placed p
    WHERE p.left_customer <> p.right_customer
    GROUP BY p.left_service, p.left_entity, p.right_service, p.right_entity
    HAVING bool_or(p.rule LIKE 'exact:%') OR sum(p.match_weight) > $highest
),
held AS (
    SELECT DISTINCT m.customer_id, u.namespace, u.digest, k.value
    FROM unique_values u
    JOIN identity_map m ON m.service = u.service AND m.entity = u.entity
    JOIN keys k ON k.service = u.service AND k.entity = u.entity AND k.namespace = u.namespace
),
forbidden AS (
    SELECT c.one, c.other, l.namespace, min(damerau_levenshtein(l.value, r.value)) AS slips
    FROM (SELECT DISTINCT one, other FROM clear) AS c
    JOIN held l ON l.customer_id = c.one
    JOIN held r ON r.customer_id = c.other AND r.namespace = l.namespace
    GROUP BY c.one, c.other, l.namespace
    HAVING bool_and(l.digest <> r.digest)
),
slipped AS (
    SELECT f.one, f.other, string_agg(f.namespace, ', ' ORDER BY f.namespace) AS forbidden_by
    FROM forbidden f ANTI JOIN apart a ON a.one = f.one AND a.other = f.other
    GROUP BY f.one, f.other
    HAVING max(f.slips) = 1
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
asked AS (
    SELECT c.left_service, c.left_entity, c.right_service, c.right_entity, false AS together, c.match_weight,
           1 / (1 + pow(2, -c.match_weight)) AS probability, least(x.weight, y.weight)::BIGINT AS stake, s.forbidden_by,
           CASE WHEN c.shared IS NULL THEN c.evidence
                ELSE to_json({'shared': list_sort(c.shared)})::VARCHAR END AS evidence,
           row_number() OVER (PARTITION BY c.one, c.other ORDER BY c.match_weight DESC, c.link_id) AS place
    FROM clear c
    JOIN slipped s ON s.one = c.one AND s.other = c.other
    JOIN sizes x ON x.customer_id = c.left_customer
    JOIN sizes y ON y.customer_id = c.right_customer
    UNION ALL
    SELECT o.left_service, o.left_entity, o.right_service, o.right_entity, o.together, o.match_weight, o.probability,
           o.stake, NULL, o.evidence, o.place
    FROM open o
    ANTI JOIN slipped s ON s.one = least(o.left_customer, o.right_customer)
        AND s.other = greatest(o.left_customer, o.right_customer)
),
valued AS (
    SELECT *, round(stake * CASE WHEN together THEN 1 - probability ELSE probability END, 6) AS value
    FROM asked
    WHERE place = 1
),
ranked AS (
    SELECT *, row_number() OVER (
               ORDER BY forbidden_by IS NULL, value DESC, left_service, left_entity, right_service, right_entity
           )::BIGINT AS rank
    FROM valued
)
SELECT rank, left_service, left_entity, right_service, right_entity, together, match_weight, probability, stake, value,
       forbidden_by, evidence
FROM ranked
WHERE rank <= $most
ORDER BY rank
