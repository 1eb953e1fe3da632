-- Grain: one entity that holds a key which says nothing of a person. Keys: service, entity.
-- Columns: service, entity, profile, keys (its others, a list of namespace and value; null if there are none).
-- Inputs: told (profiles_told.sql, keys normalised, each once, ordered); namespaces (namespace, strength, max_entities,
-- guards_names, valid_for_days); key_values (identity/key_values).
-- Nothing of a person say values that hygiene found generic, and shared ones but for a household's: the model weighs
-- those beside the surname. What hygiene did not judge, as those of weak keys, counts while at most max_entities
-- entities hold it. Of who gives no name a key that several names use says nothing, nor one that passes on: whose it is
-- then exact links tell, or nobody does.
WITH held AS (
    SELECT h.service, h.entity, h.profile, h.word, h.k.namespace, h.k.value
    FROM (SELECT service, entity, profile, word, unnest(keys) AS k FROM told) AS h
),
counted AS (
    SELECT namespace, value, count(*) AS entities, min(word) < max(word) AS has_names FROM held GROUP BY namespace, value
),
digested AS (
    SELECT *, CASE WHEN entities > 1 THEN digest_of(namespace, value) ELSE NULL END AS digest
    FROM counted
),
judged AS (
    SELECT d.namespace, d.value,
           n.namespace IS NULL OR CASE v.verdict
               WHEN 'links' THEN false
               WHEN 'generic' THEN true
               WHEN 'shared' THEN n.strength <> 'household'
               ELSE d.entities > n.max_entities
           END AS is_nobodys,
           n.strength = 'person' AND n.guards_names AND d.entities > 1
           AND (coalesce(d.has_names, false) OR n.valid_for_days IS NOT NULL) AS asks_names
    FROM digested d
    LEFT JOIN namespaces n ON n.namespace = d.namespace
    LEFT JOIN key_values v ON v.namespace = d.namespace AND v.digest = d.digest
),
impersonal AS (
    SELECT * FROM judged WHERE is_nobodys OR asks_names
),
holders AS (
    SELECT DISTINCT h.service, h.entity, h.profile
    FROM held h JOIN impersonal i ON i.namespace = h.namespace AND i.value = h.value
    WHERE i.is_nobodys OR h.word IS NULL
),
theirs AS (
    SELECT h.service, h.entity, h.word, h.k.namespace, h.k.value
    FROM (
        SELECT t.service, t.entity, t.word, unnest(t.keys) AS k
        FROM told t SEMI JOIN holders e ON e.service = t.service AND e.entity = t.entity
    ) AS h
),
others AS (
    SELECT h.service, h.entity, list_sort(list({namespace: h.namespace, value: h.value})) AS keys
    FROM theirs h LEFT JOIN impersonal i ON i.namespace = h.namespace AND i.value = h.value
    WHERE i.namespace IS NULL OR NOT (i.is_nobodys OR h.word IS NULL)
    GROUP BY h.service, h.entity
)
SELECT e.service, e.entity, e.profile, o.keys
FROM holders e LEFT JOIN others o ON o.service = e.service AND o.entity = e.entity
