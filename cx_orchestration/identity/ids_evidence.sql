-- Grain: one merge, or one part that left a customer. Keys: event, customer_id, other_customer_id.
-- Columns: the keys; evidence, JSON: rules, links and reasons.
-- Inputs: moved (ids_events.sql, without born and retired); assigned; near (resolve_near.sql); fresh (link_id), links with
-- entries since the last run; unique_now.
WITH parts AS (
    SELECT event, customer_id, other_customer_id, entities,
           CASE WHEN event = 'split' THEN customer_id ELSE other_customer_id END AS was,
           CASE WHEN event = 'split' THEN other_customer_id ELSE customer_id END AS became
    FROM moved
),
ends AS (
    SELECT service, entity, code, old_customer_id, customer_id FROM assigned
    WHERE customer_id IN (SELECT became FROM parts) OR old_customer_id IN (SELECT was FROM parts)
),
links AS (
    SELECT l.link_id, l.rule, max(l.match_weight) AS match_weight, max_by(l.retracted_why, l.made_at) AS retracted_why,
           sum(CASE WHEN l.retracted_at IS NULL THEN 1 ELSE -1 END) > 0 AS stands,
           a.old_customer_id AS left_was, a.customer_id AS left_became,
           b.old_customer_id AS right_was, b.customer_id AS right_became
    FROM near l
    JOIN ends a ON a.code = l.left_code
    JOIN ends b ON b.code = l.right_code
    WHERE a.old_customer_id IS DISTINCT FROM b.old_customer_id OR a.customer_id <> b.customer_id
    GROUP BY l.link_id, l.rule, a.old_customer_id, a.customer_id, b.old_customer_id, b.customer_id
),
supporting AS (
    SELECT p.event, p.customer_id, p.other_customer_id, l.rule, l.link_id, l.match_weight, l.retracted_why
    FROM parts p JOIN links l ON l.left_became = p.became AND l.right_became = p.became
    WHERE p.event = 'merged' AND l.stands AND l.match_weight > 0
      AND (l.left_was IS NOT DISTINCT FROM p.was) <> (l.right_was IS NOT DISTINCT FROM p.was)
    UNION ALL
    SELECT p.event, p.customer_id, p.other_customer_id, l.rule, l.link_id, l.match_weight, l.retracted_why
    FROM parts p JOIN links l ON l.left_was = p.was AND l.right_was = p.was
    WHERE p.event <> 'merged' AND (l.left_became = p.became) <> (l.right_became = p.became)
      AND (NOT l.stands AND l.link_id IN (SELECT link_id FROM fresh) OR l.rule = 'decided:never')
),
found AS (
    SELECT *,
           row_number() OVER (
               PARTITION BY event, customer_id, other_customer_id ORDER BY match_weight DESC, link_id
           ) AS position
    FROM supporting
),
-- Different values that only one person can have, in the part that left and in what stayed.
held AS (
    SELECT DISTINCT e.old_customer_id, e.customer_id, u.namespace, u.digest
    FROM ends e JOIN unique_now u ON u.service = e.service AND u.entity = e.entity
),
conflicts AS (
    SELECT DISTINCT p.event, p.customer_id, p.other_customer_id, g.namespace
    FROM parts p
    JOIN held g ON g.old_customer_id = p.was AND g.customer_id = p.became
    JOIN held s ON s.old_customer_id = p.was AND s.customer_id <> p.became AND s.namespace = g.namespace
    WHERE p.event <> 'merged' AND g.digest <> s.digest
),
reasons AS (
    SELECT event, customer_id, other_customer_id, retracted_why AS reason FROM found WHERE retracted_why IS NOT NULL
    UNION
    SELECT event, customer_id, other_customer_id, 'different values of ' || namespace FROM conflicts
),
told AS (
    SELECT event, customer_id, other_customer_id, list(reason ORDER BY reason) AS reasons
    FROM reasons
    GROUP BY event, customer_id, other_customer_id
),
listed AS (
    SELECT event, customer_id, other_customer_id, list(DISTINCT rule ORDER BY rule) AS rules,
           list(link_id ORDER BY position) FILTER (WHERE position <= 10) AS links
    FROM found
    GROUP BY event, customer_id, other_customer_id
)
SELECT p.event, p.customer_id, p.other_customer_id, p.entities,
       to_json({
           rules: coalesce(l.rules, []),
           links: coalesce(l.links, []),
           reasons: coalesce(
               t.reasons,
               CASE
                   WHEN p.event = 'merged' OR l.rules IS NOT NULL THEN []
                   ELSE ['what links the parts weighs too little, or the records between them are gone']
               END
           )
       })::VARCHAR AS evidence
FROM parts p
LEFT JOIN listed l
  ON l.event = p.event AND l.customer_id = p.customer_id AND l.other_customer_id = p.other_customer_id
LEFT JOIN told t
  ON t.event = p.event AND t.customer_id = p.customer_id AND t.other_customer_id = p.other_customer_id
