-- Grain: one block that an entity is in: entities of one block are compared with each other. Keys: rule, block,
-- unique_id. Columns: rule (what its entities share), block (a hash of the rule and of that: no two rules have a block in
-- common), unique_id, changed.
-- Input: fields (fields.sql with keys: a list of namespace and value). A rule whose fields an entity lacks, and so a
-- rule whose fields nobody has, makes no block.
-- An entity is in some 25 blocks, so texts are hashed where they stand, and only numbers are unpivoted.
WITH hashed AS (
    SELECT unique_id, changed,
           CASE WHEN words IS NOT NULL THEN hash(words) ELSE NULL END AS "name",
           CASE WHEN given IS NOT NULL AND family IS NOT NULL THEN hash(given, family) ELSE NULL END AS "given family",
           CASE WHEN length(birth) > 4 THEN hash(birth) ELSE NULL END AS "birth",
           CASE WHEN birth IS NOT NULL AND given IS NOT NULL
               THEN hash(birth, left(given, 1)) ELSE NULL END AS "birth given-1",
           CASE WHEN birth IS NOT NULL AND family IS NOT NULL
               THEN hash(birth, left(family, 1)) ELSE NULL END AS "birth family-1",
           CASE WHEN birth IS NOT NULL AND numbers IS NOT NULL THEN hash(birth, numbers) ELSE NULL END AS "birth number",
           CASE WHEN birth IS NOT NULL AND given IS NOT NULL AND family IS NOT NULL
               THEN hash(left(birth, 4), given, left(family, 2)) ELSE NULL END AS "year given family-2",
           CASE WHEN birth IS NOT NULL AND family IS NOT NULL AND given IS NOT NULL
               THEN hash(left(birth, 4), family, left(given, 2)) ELSE NULL END AS "year family given-2",
           CASE WHEN birth IS NOT NULL AND given IS NOT NULL
               THEN hash(substr(birth, 5, 4), given) ELSE NULL END AS "day given",
           CASE WHEN birth IS NOT NULL AND family IS NOT NULL
               THEN hash(substr(birth, 5, 4), family) ELSE NULL END AS "day family",
           CASE WHEN street IS NOT NULL THEN hash(street) ELSE NULL END AS "street",
           CASE WHEN street IS NOT NULL AND given IS NOT NULL
               THEN hash(street, left(given, 1)) ELSE NULL END AS "street given-1",
           CASE WHEN street IS NOT NULL AND family IS NOT NULL
               THEN hash(street, left(family, 1)) ELSE NULL END AS "street family-1",
           CASE WHEN postcode IS NOT NULL AND numbers IS NOT NULL
               THEN hash(postcode, numbers) ELSE NULL END AS "postcode number",
           CASE WHEN postcode IS NOT NULL AND given IS NOT NULL
               THEN hash(postcode, given) ELSE NULL END AS "postcode given",
           CASE WHEN postcode IS NOT NULL AND family IS NOT NULL
               THEN hash(postcode, family) ELSE NULL END AS "postcode family",
           CASE WHEN numbers IS NOT NULL AND given IS NOT NULL THEN hash(numbers, given) ELSE NULL END AS "number given",
           CASE WHEN numbers IS NOT NULL AND family IS NOT NULL
               THEN hash(numbers, family) ELSE NULL END AS "number family",
           CASE WHEN city IS NOT NULL AND given IS NOT NULL THEN hash(city, given) ELSE NULL END AS "city given",
           CASE WHEN city IS NOT NULL AND family IS NOT NULL THEN hash(city, family) ELSE NULL END AS "city family",
           CASE WHEN given IS NOT NULL AND family IS NOT NULL
               THEN hash(given, left(family, 3)) ELSE NULL END AS "given family-3",
           CASE WHEN family IS NOT NULL AND given IS NOT NULL
               THEN hash(family, left(given, 3)) ELSE NULL END AS "family given-3",
           CASE WHEN given IS NOT NULL AND family IS NOT NULL AND middle IS NOT NULL
               THEN hash(left(given, 3), left(family, 3), middle) ELSE NULL END AS "given-3 family-3 middle",
           CASE WHEN given IS NOT NULL THEN hash(given) ELSE NULL END AS "given",
           CASE WHEN family IS NOT NULL THEN hash(family) ELSE NULL END AS "family"
    FROM fields
),
shared AS (
    SELECT rule, unique_id, changed, value
    FROM hashed UNPIVOT (value FOR rule IN (COLUMNS(* EXCLUDE (unique_id, changed))))
    UNION ALL
    SELECT 'key ' || k.namespace, unique_id, changed, hash(k.value)
    FROM (SELECT unique_id, changed, unnest(keys) AS k FROM fields) AS held
)
SELECT rule, (hash(rule, value) >> 1)::BIGINT AS block, unique_id, changed
FROM shared
