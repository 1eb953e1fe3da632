-- Grain: one entity that holds a key which says something of a person. Keys: service, entity.
-- Columns: service, entity, keys (list of namespace and value).
-- Inputs: profiles (keys normalised, each once); namespaces (namespace, strength, max_entities); key_values
-- (identity/key_values).
-- Left out are values that hygiene found generic, and shared ones but for a household's: the model weighs those beside
-- the surname. What hygiene did not judge, as those of weak keys, counts while at most max_entities entities hold it.
WITH held AS (
    SELECT h.service, h.entity, h.k.namespace, h.k.value
    FROM (SELECT service, entity, unnest(keys) AS k FROM profiles) AS h
),
counted AS (
    SELECT namespace, value, count(*) AS entities FROM held GROUP BY namespace, value
),
digested AS (
    SELECT *, CASE WHEN entities > 1 THEN digest_of(namespace, value) ELSE NULL END AS digest
    FROM counted
),
personal AS (
    SELECT d.namespace, d.value
    FROM digested d
    JOIN namespaces n ON n.namespace = d.namespace
    LEFT JOIN key_values v ON v.namespace = d.namespace AND v.digest = d.digest
    WHERE CASE v.verdict
              WHEN 'links' THEN true
              WHEN 'generic' THEN false
              WHEN 'shared' THEN n.strength = 'household'
              ELSE d.entities <= n.max_entities
          END
)
SELECT h.service, h.entity, list_sort(list({namespace: h.namespace, value: h.value})) AS keys
FROM held h SEMI JOIN personal p ON p.namespace = h.namespace AND p.value = h.value
GROUP BY h.service, h.entity
