-- Grain: one namespace and one reason why values of it link nobody. Keys: namespace, why.
-- Columns: namespace, why, values (how many), most_entities (that hold one of them). Input: key_values.
SELECT namespace, why, count(*) AS values, max(entities) AS most_entities
FROM key_values
WHERE verdict = 'generic'
GROUP BY namespace, why
ORDER BY namespace, why
