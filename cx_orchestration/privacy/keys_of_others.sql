-- Those keys of these persons that somebody else has too.
-- grain: one key. Key: namespace, value. Columns: namespace, value.
WITH held AS (
  SELECT f.service, f.entity, unnest(f.keys, recursive := true)
  FROM profiles f
),
own AS (
  SELECT DISTINCT h.namespace, h.value
  FROM held h
  JOIN persons p ON h.service = p.service AND h.entity = p.entity
)
SELECT DISTINCT o.namespace, o.value
FROM own o
JOIN held h ON h.namespace = o.namespace AND h.value = o.value
LEFT JOIN persons p ON h.service = p.service AND h.entity = p.entity
WHERE p.entity IS NULL
