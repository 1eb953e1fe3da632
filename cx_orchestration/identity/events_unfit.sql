-- Grain: all events, one row.
-- Columns: unattributed (distinct events whose entity is in no profile, so that they are nobody's), malformed (rows
-- whose attributes are not a JSON object).
-- Inputs: events, identity_map.
SELECT count(DISTINCT CASE WHEN m.customer_id IS NULL THEN e.event_id ELSE NULL END) AS unattributed,
       count(CASE
           WHEN e.attributes IS NULL THEN NULL
           WHEN NOT json_valid(e.attributes) THEN 1
           WHEN json_type(e.attributes) <> 'OBJECT' THEN 1
           ELSE NULL
       END) AS malformed
FROM events e LEFT JOIN identity_map m ON m.service = e.service AND m.entity = e.entity
