-- Grain: one entity that holds a key which says nothing of a person. Keys: service, entity.
-- Columns: service, entity, profile, keys (its others, a list of namespace and value; null if there are none).
-- Inputs: told (profiles_fingerprinted.sql, keys normalised, each once, ordered); namespaces (namespace, strength,
-- max_entities); key_values (identity/key_values).
-- Nothing of a person say values that hygiene found generic, and shared ones but for a household's: the model weighs
-- those beside the surname. What hygiene did not judge, as those of weak keys, counts while at most max_entities
-- entities hold it.
WITH held AS (
    SELECT h.service, h.entity, h.profile, h.k.namespace, h.k.value
    FROM (SELECT service, entity, profile, unnest(keys) AS k FROM told) AS h
),
counted AS (
    SELECT namespace, value, count(*) AS entities FROM held GROUP BY namespace, value
),
digested AS (
    SELECT *, CASE WHEN entities > 1 THEN digest_of(namespace, value) ELSE NULL END AS digest
    FROM counted
),
impersonal AS (
    SELECT d.namespace, d.value
    FROM digested d
    LEFT JOIN namespaces n ON n.namespace = d.namespace
    LEFT JOIN key_values v ON v.namespace = d.namespace AND v.digest = d.digest
    WHERE n.namespace IS NULL OR CASE v.verdict
              WHEN 'links' THEN false
              WHEN 'generic' THEN true
              WHEN 'shared' THEN n.strength <> 'household'
              ELSE d.entities > n.max_entities
          END
),
holders AS (
    SELECT DISTINCT h.service, h.entity, h.profile
    FROM held h SEMI JOIN impersonal i ON i.namespace = h.namespace AND i.value = h.value
),
others AS (
    SELECT h.service, h.entity, list_sort(list({namespace: h.namespace, value: h.value})) AS keys
    FROM held h
    SEMI JOIN holders e ON e.service = h.service AND e.entity = h.entity
    ANTI JOIN impersonal i ON i.namespace = h.namespace AND i.value = h.value
    GROUP BY h.service, h.entity
)
SELECT e.service, e.entity, e.profile, o.keys
FROM holders e LEFT JOIN others o ON o.service = e.service AND o.entity = e.entity
