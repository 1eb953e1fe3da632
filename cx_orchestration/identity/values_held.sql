-- Grain: one value of a key that some entity holds and that was asked for. Keys: namespace, value.
-- Columns: the keys, entities (how many hold it).
-- Inputs: profiles (keys normalised); asked (namespace, value).
SELECT k.namespace, k.value, count(*) AS entities
FROM (SELECT DISTINCT service, entity, unnest(keys) AS k FROM profiles) AS held
JOIN asked a ON a.namespace = k.namespace AND a.value = k.value
GROUP BY k.namespace, k.value
