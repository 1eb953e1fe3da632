-- The links that have one of these persons at an end, whose ids the customers' history names.
-- grain: one link. Key: link_id. Columns: link_id.
SELECT l.link_id FROM links l JOIN persons p ON l.left_service = p.service AND l.left_entity = p.entity
UNION
SELECT l.link_id FROM links l JOIN persons p ON l.right_service = p.service AND l.right_entity = p.entity
