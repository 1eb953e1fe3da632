-- Grain: one value that was looked at, or that an entity of the scope holds. Keys: namespace, value.
-- Inputs: looked_at; keys; scope (service, entity).
SELECT namespace, value FROM looked_at
UNION
SELECT k.namespace, k.value FROM keys k SEMI JOIN scope t ON t.service = k.service AND t.entity = k.entity
