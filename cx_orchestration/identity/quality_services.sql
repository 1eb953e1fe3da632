-- Grain: one service. Keys: service.
-- Columns: service, entities, linked_elsewhere (entities whose customer another service knows too), linked_share, silo
-- (whether there is none).
-- Input: identity_map.
WITH reach AS (
    SELECT customer_id, min(service) <> max(service) AS several FROM identity_map GROUP BY customer_id
)
SELECT m.service, count(*) AS entities,
       sum(CASE WHEN r.several THEN 1 ELSE 0 END)::BIGINT AS linked_elsewhere,
       avg(CASE WHEN r.several THEN 1.0 ELSE 0.0 END)::DOUBLE AS linked_share,
       NOT bool_or(r.several) AS silo
FROM identity_map m JOIN reach r ON r.customer_id = m.customer_id
GROUP BY m.service
ORDER BY m.service
