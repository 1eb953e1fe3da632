-- The entities of the customer that is named: by its id, by a former id of it, or by one of its entities.
-- An id that is a customer's in the map is no former one, whatever a run that was killed has written to the aliases.
-- grain: one entity. Key: service, entity. Columns: service, entity, customer_id.
WITH meant AS (
  SELECT customer_id FROM identity_map WHERE customer_id = $named
  UNION
  SELECT customer_id FROM aliases WHERE old_customer_id = $named AND customer_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM identity_map WHERE customer_id = $named)
  UNION
  SELECT customer_id FROM identity_map WHERE service = $service AND entity = $entity
)
SELECT service, entity, customer_id
FROM identity_map
WHERE customer_id IN (SELECT customer_id FROM meant)
ORDER BY service, entity
