-- Grain: one value of a key namespace that may be held by others, or otherwise, than before. Keys: namespace, value.
-- Inputs: keys and keys_before; differing (profiles_differing.sql), the entities that are otherwise than before.
SELECT k.namespace, k.value FROM keys k SEMI JOIN differing d ON d.service = k.service AND d.entity = k.entity
UNION
SELECT k.namespace, k.value FROM keys_before k SEMI JOIN differing d ON d.service = k.service AND d.entity = k.entity
