-- Grain: one holder of a value that several entities hold, of a key that links or could.
-- Keys: code, service, entity. Columns: code (126 bits of the value's MD5), namespace, value, service, entity; given and
-- family (1 for a to 26 for z: how the holder's given and family name begin; null where unknown); word (the first of the
-- given name, without accents; null where given is); first_seen, last_seen, authenticated; signature (of the values that
-- only one person can have; 0 without any).
-- Inputs: held, keys of the values to look at (of each all); keys; profiles; namespaces (namespace, strength, is_unique).
-- Values of weak keys have no holders here.
WITH coded AS (
    SELECT k.namespace, k.value, k.service, k.entity, k.first_seen, k.last_seen, k.state = 'authenticated' AS authenticated,
           (md5_number(k.namespace || chr(31) || k.value) >> 2)::DECIMAL(38, 0) AS code
    FROM held k JOIN namespaces n ON n.namespace = k.namespace AND n.strength <> 'weak'
),
shared AS (
    SELECT c.* FROM coded c SEMI JOIN (SELECT code FROM coded GROUP BY code HAVING count(*) > 1) s ON s.code = c.code
),
written AS (
    SELECT service, entity, given_name, family_name,
           CASE WHEN contains(name, ',') THEN trim(split_part(name, ',', 2)) ELSE trim(name) END AS forward,
           CASE WHEN contains(name, ',') THEN trim(split_part(name, ',', 1)) ELSE trim(name) END AS backward
    FROM profiles p SEMI JOIN shared h ON h.service = p.service AND h.entity = p.entity
    WHERE given_name IS NOT NULL OR family_name IS NOT NULL OR name IS NOT NULL
),
chosen AS (
    SELECT service, entity,
           CASE
               WHEN trim(given_name) <> '' THEN trim(given_name)
               WHEN forward <> backward THEN forward
               WHEN contains(forward, ' ') THEN forward
               ELSE NULL
           END AS given,
           CASE
               WHEN trim(family_name) <> '' THEN trim(family_name)
               WHEN forward <> backward THEN backward
               WHEN contains(backward, ' ') THEN split_part(backward, ' ', -1)
               ELSE NULL
           END AS family
    FROM written
),
folded AS (
    SELECT service, entity,
           translate(strip_accents(lower(given)), 'øłđðþæœßı', 'olddtaosi') AS given,
           translate(strip_accents(lower(family)), 'øłđðþæœßı', 'olddtaosi') AS family
    FROM chosen
),
first_words AS (
    SELECT service, entity, family,
           CASE
               WHEN regexp_matches(given, '^(mr|mrs|ms|miss|dr|prof|herr|frau|mme|mlle|sr|sra|dott)[. ]')
                   THEN regexp_extract(
                       given, '^(?:(?:mr|mrs|ms|miss|dr|prof|herr|frau|mme|mlle|sr|sra|dott)(?:[.] *| +))+([a-z]+)', 1
                   )
               ELSE regexp_extract(given, '^[a-z]+')
           END AS word
    FROM folded
),
initials AS (
    SELECT service, entity, nullif(word, '') AS word, ascii(nullif(word, '')) - 96 AS given, ascii(family) - 96 AS family
    FROM first_words
),
signatures AS (
    SELECT k.service, k.entity, bit_xor(hash(k.namespace, k.value)) AS signature
    FROM keys k
    JOIN namespaces n ON n.namespace = k.namespace AND n.is_unique
    SEMI JOIN shared h ON h.service = k.service AND h.entity = k.entity
    GROUP BY k.service, k.entity
)
SELECT h.code, h.namespace, h.value, h.service, h.entity,
       CASE WHEN i.given BETWEEN 1 AND 26 THEN i.given ELSE NULL END::TINYINT AS given,
       CASE WHEN i.family BETWEEN 1 AND 26 THEN i.family ELSE NULL END::TINYINT AS family,
       i.word,
       h.first_seen, h.last_seen, h.authenticated, coalesce(s.signature, 0) AS signature
FROM shared h
LEFT JOIN initials i ON i.service = h.service AND i.entity = h.entity
LEFT JOIN signatures s ON s.service = h.service AND s.entity = h.entity
