-- Grain: one value of a strong key that more entities hold than its namespace allows, as a digest.
-- Keys: digest. Columns: namespace, digest, entities (how many hold it), max_entities.
-- Inputs: profiles (keys normalised); namespaces (namespace, max_entities), the strong ones.
SELECT namespace, left(sha256(namespace || chr(31) || value), 32) AS digest, count(*) AS entities, max_entities
FROM (
    SELECT DISTINCT h.service, h.entity, h.k.namespace, h.k.value, n.max_entities
    FROM (SELECT service, entity, unnest(keys) AS k FROM profiles) AS h
    JOIN namespaces n ON n.namespace = h.k.namespace
) AS held
GROUP BY namespace, value, max_entities
HAVING count(*) > max_entities
ORDER BY namespace, digest
