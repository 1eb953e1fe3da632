-- Grain: one service and one key namespace that is declared or that any service has. Keys: service, namespace.
-- Columns: those of identity/scorecard.
-- Inputs: profiles; keys; keys_dropped (service, namespace, reason, count); key_values; identity_map; namespaces
-- (namespace, strength, is_unique).
-- A hash of 64 bits stands for a value: that two of five million are taken for one happens once in a million runs, and
-- miscounts by one.
WITH held AS MATERIALIZED (
    SELECT namespace, value, hash(namespace, value) AS code, service, entity FROM keys
),
spread AS (
    SELECT code, min(service) <> max(service) AS elsewhere, any_value(namespace) AS namespace, any_value(value) AS value
    FROM held
    GROUP BY code
    HAVING count(*) > 1
),
judged AS MATERIALIZED (
    SELECT s.code, s.elsewhere AND coalesce(v.verdict = 'links', false) AS shared,
           coalesce(v.verdict = 'generic', false) AS generic
    FROM spread s
    LEFT JOIN key_values v ON v.namespace = s.namespace AND v.digest = digest_of(s.namespace, s.value)
),
reach AS (
    SELECT customer_id, min(service) <> max(service) AS known_elsewhere FROM identity_map GROUP BY customer_id
),
known AS MATERIALIZED (
    SELECT m.service, m.entity, m.customer_id, r.known_elsewhere
    FROM identity_map m JOIN reach r ON r.customer_id = m.customer_id
),
values_of AS (
    SELECT service, namespace, code, count(*) AS entities FROM held GROUP BY service, namespace, code
),
values_counted AS (
    SELECT v.service, v.namespace, count(*) AS values, sum(CASE WHEN v.entities = 1 THEN 1 ELSE 0 END)::BIGINT AS single,
           sum(CASE WHEN j.generic THEN 1 ELSE 0 END)::BIGINT AS generic_values
    FROM values_of v LEFT JOIN judged j ON j.code = v.code
    GROUP BY v.service, v.namespace
),
entities_of AS (
    SELECT h.service, h.namespace, h.entity, count(*) AS values, bool_or(coalesce(j.shared, false)) AS shared
    FROM held h LEFT JOIN judged j ON j.code = h.code
    GROUP BY h.service, h.namespace, h.entity
),
entities_counted AS (
    SELECT e.service, e.namespace, count(*) AS with_key, sum(CASE WHEN e.shared THEN 1 ELSE 0 END)::BIGINT AS shared,
           sum(CASE WHEN e.values > 1 THEN 1 ELSE 0 END)::BIGINT AS several,
           sum(CASE WHEN k.known_elsewhere THEN 0 ELSE 1 END)::BIGINT AS islands
    FROM entities_of e LEFT JOIN known k ON k.service = e.service AND k.entity = e.entity
    GROUP BY e.service, e.namespace
),
customers_of AS (
    SELECT k.customer_id, h.namespace, count(DISTINCT h.code) AS values
    FROM held h JOIN known k ON k.service = h.service AND k.entity = h.entity
    GROUP BY k.customer_id, h.namespace
),
widest AS (
    SELECT k.service, c.namespace, max(c.values) AS most_values
    FROM customers_of c JOIN known k ON k.customer_id = c.customer_id
    GROUP BY k.service, c.namespace
),
wrong AS (
    SELECT service, namespace, sum(CASE WHEN reason IN ('invalid', 'placeholder') THEN count ELSE 0 END) AS dropped
    FROM keys_dropped
    GROUP BY service, namespace
),
keys_counted AS (
    SELECT service, namespace, count(*) AS keys FROM held GROUP BY service, namespace
),
services AS (
    SELECT service, count(*) AS entities FROM profiles GROUP BY service
),
seen AS (
    SELECT namespace FROM keys UNION SELECT namespace FROM keys_dropped UNION SELECT namespace FROM namespaces
)
SELECT s.service, n.namespace, s.entities, coalesce(e.with_key, 0) AS with_key,
       (1.0 * coalesce(e.with_key, 0) / s.entities)::DOUBLE AS coverage,
       (1.0 * k.keys / nullif(k.keys + coalesce(w.dropped, 0), 0))::DOUBLE AS validity,
       coalesce(v.values, 0) AS values,
       (1.0 * v.single / v.values)::DOUBLE AS uniqueness,
       (1.0 * coalesce(e.shared, 0) / s.entities)::DOUBLE AS shared,
       coalesce(e.islands, 0) AS islands,
       coalesce(v.generic_values, 0) AS generic_values,
       CASE WHEN r.is_unique THEN coalesce(e.several, 0) ELSE 0 END AS conflicts,
       coalesce(x.most_values, 0) AS most_values
FROM services s CROSS JOIN seen n
LEFT JOIN namespaces r ON r.namespace = n.namespace
LEFT JOIN entities_counted e ON e.service = s.service AND e.namespace = n.namespace
LEFT JOIN values_counted v ON v.service = s.service AND v.namespace = n.namespace
LEFT JOIN keys_counted k ON k.service = s.service AND k.namespace = n.namespace
LEFT JOIN wrong w ON w.service = s.service AND w.namespace = n.namespace
LEFT JOIN widest x ON x.service = s.service AND x.namespace = n.namespace
ORDER BY s.service, n.namespace
