-- Grain: one block that an entity is in: entities of one block are compared with each other. Keys: rule, block,
-- unique_id. Columns: rule (what its entities share), block (a hash of that), unique_id, changed.
-- Input: fields (fields.sql with keys: a list of namespace and value). A rule whose fields an entity lacks, and so a
-- rule whose fields nobody has, makes no block.
WITH shared AS (
    SELECT unique_id, changed, unnest([
        {rule: 'name', value: words},
        {rule: 'given family', value: given || '|' || family},
        {rule: 'birth', value: CASE WHEN length(birth) > 4 THEN birth ELSE NULL END},
        {rule: 'birth given-1', value: birth || left(given, 1)},
        {rule: 'birth family-1', value: birth || left(family, 1)},
        {rule: 'birth number', value: birth || '|' || numbers},
        {rule: 'year given family-2', value: left(birth, 4) || given || '|' || left(family, 2)},
        {rule: 'year family given-2', value: left(birth, 4) || family || '|' || left(given, 2)},
        {rule: 'day given', value: substr(birth, 5, 4) || given},
        {rule: 'day family', value: substr(birth, 5, 4) || family},
        {rule: 'street', value: street},
        {rule: 'street given-1', value: street || '|' || left(given, 1)},
        {rule: 'street family-1', value: street || '|' || left(family, 1)},
        {rule: 'postcode number', value: postcode || '|' || numbers},
        {rule: 'postcode given', value: postcode || '|' || given},
        {rule: 'postcode family', value: postcode || '|' || family},
        {rule: 'number given', value: numbers || '|' || given},
        {rule: 'number family', value: numbers || '|' || family},
        {rule: 'city given', value: city || '|' || given},
        {rule: 'city family', value: city || '|' || family},
        {rule: 'given family-3', value: given || '|' || left(family, 3)},
        {rule: 'family given-3', value: family || '|' || left(given, 3)},
        {rule: 'given-3 family-3 middle', value: left(given, 3) || '|' || left(family, 3) || '|' || middle},
        {rule: 'given', value: given},
        {rule: 'family', value: family}
    ]) AS b
    FROM fields
    UNION ALL
    SELECT unique_id, changed, {rule: 'key ' || k.namespace, value: k.value}
    FROM (SELECT unique_id, changed, unnest(keys) AS k FROM fields) AS held
)
SELECT b.rule AS rule, hash(b.rule || '|' || b.value) AS block, unique_id, changed
FROM shared
WHERE b.value IS NOT NULL
