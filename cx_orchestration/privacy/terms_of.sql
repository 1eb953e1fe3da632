-- The names, dates and places of these persons, as a model compared them, that nobody else has.
-- grain: one value of a field. Key: field, value. Columns: field, value.
WITH held AS (
  SELECT f.service, f.entity, unnest([
    {field: 'given', value: f.given}, {field: 'middle', value: f.middle}, {field: 'family', value: f.family},
    {field: 'words', value: f.words}, {field: 'birth', value: f.birth}, {field: 'street', value: f.street},
    {field: 'postcode', value: f.postcode}, {field: 'city', value: f.city}
  ], recursive := true)
  FROM fields f
)
SELECT h.field, h.value
FROM held h
LEFT JOIN persons p ON h.service = p.service AND h.entity = p.entity
WHERE h.value IS NOT NULL
GROUP BY h.field, h.value
HAVING bool_and(p.entity IS NOT NULL)
