-- Grain: one customer, ordered by id. Keys: customer_id.
-- Columns: customer_id, rows (of events and profiles that its document is made from).
-- Inputs: events, identity_map.
SELECT m.customer_id, count(*) + coalesce(sum(e.events), 0)::BIGINT AS rows
FROM identity_map m
LEFT JOIN (
    SELECT service, entity, count(*) AS events FROM events GROUP BY service, entity
) AS e ON e.service = m.service AND e.entity = m.entity
GROUP BY m.customer_id
ORDER BY m.customer_id
