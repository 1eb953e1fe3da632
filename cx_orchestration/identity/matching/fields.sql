-- Grain: one entity. Keys: service, entity. Columns: service, entity, fingerprint (of the texts as received); given (the
-- first given name, or its initial), middle (the other given names), family, words (the distinct ones of the whole
-- name, sorted), birth (yyyymmdd, or yyyy), street (its numbers, then its words), numbers (of the street), postcode,
-- city, country; all in lower case without accents and punctuation, null where nothing is known.
-- Inputs: profiles (with fingerprint); habits (habits.sql); words (kind, word, value): titles, particles and legal forms
-- of names, words of streets and their short forms, names of months.
-- Parameters: $month_first, whether 5/6/1990 is in May where a service's habits are not known; $this_year, two digits.
WITH vocabulary AS (
    SELECT list(word) FILTER (WHERE kind = 'title') AS titles,
           list(word) FILTER (WHERE kind = 'particle') AS particles,
           list(word) FILTER (WHERE kind = 'legal_form') AS legal_forms,
           map_from_entries(list({k: word, v: value}) FILTER (WHERE kind = 'street')) AS short_forms,
           map_from_entries(list({k: word, v: value}) FILTER (WHERE kind = 'month')) AS months
    FROM words
),
cleaned AS (
    SELECT service, entity, fingerprint,
           list_transform(
               [name, given_name, family_name, street, city, country, split_part(name, ',', 1)],
               lambda t: nullif(trim(regexp_replace(regexp_replace(
                   replace(replace(replace(replace(strip_accents(lower(nfc_normalize(t))),
                       'ß', 'ss'), 'æ', 'ae'), 'ø', 'o'), 'ł', 'l'),
                   '[''’`´.]', '', 'g'), '[^\p{L}\p{N}]+', ' ', 'g')), '')
           ) AS texts,
           coalesce(name LIKE '%,%', false) AS family_first,
           nullif(regexp_replace(lower(postcode), '[^\p{L}\p{N}]+', '', 'g'), '') AS postcode,
           nullif(trim(regexp_replace(lower(birth_date), '[t ]\d\d?:.*$', '')), '') AS birth_text
    FROM profiles
),
words_of AS (
    SELECT c.*, v.*,
           list_filter(string_split(texts[2], ' '), lambda w: NOT list_contains(titles, w)) AS given_words,
           list_filter(string_split(texts[3], ' '), lambda w: NOT list_contains(titles, w)) AS family_words,
           list_filter(string_split(texts[1], ' '), lambda w: NOT list_contains(titles, w)) AS whole_words,
           list_filter(string_split(texts[7], ' '), lambda w: NOT list_contains(titles, w)) AS first_words,
           -- A service that has no family names at all puts whole names in its other field.
           coalesce(h.has_family_names, true) AS has_family_names,
           coalesce(h.organisations, false) AS organisations
    FROM cleaned c CROSS JOIN vocabulary v LEFT JOIN habits h ON h.service = c.service
),
whole AS (
    SELECT *, CASE
        WHEN len(family_words) > 0 THEN NULL
        WHEN len(whole_words) > 0 THEN whole_words
        WHEN NOT has_family_names AND len(given_words) > 1 THEN given_words
        ELSE NULL
    END AS to_split
    FROM words_of
),
kinds AS (
    SELECT *, len(family_words) IS NULL AND len(whole_words) > 0 AND organisations
               OR len(to_split) > 1 AND len(list_intersect(to_split, legal_forms)) > 0 AS organisation,
           -- Where the family name starts in a whole name: at its last word and the particles before it.
           CASE
               WHEN to_split IS NULL THEN NULL
               WHEN len(to_split) > 2 AND list_contains(particles, to_split[len(to_split) - 2])
                    AND list_contains(particles, to_split[len(to_split) - 1]) AND len(to_split) > 3
                   THEN len(to_split) - 2
               WHEN len(to_split) > 2 AND list_contains(particles, to_split[len(to_split) - 1])
                   THEN len(to_split) - 1
               ELSE len(to_split)
           END AS family_at
    FROM whole
),
named AS (
    SELECT *,
           CASE
               WHEN to_split IS NULL THEN given_words
               WHEN organisation THEN NULL
               WHEN family_first THEN to_split[len(first_words) + 1:]
               WHEN len(to_split) = 1 THEN to_split
               ELSE to_split[:family_at - 1]
           END AS given_parts,
           CASE
               WHEN to_split IS NULL THEN family_words
               WHEN organisation THEN list_filter(to_split, lambda w: NOT list_contains(legal_forms, w))
               WHEN family_first THEN first_words
               WHEN len(to_split) = 1 THEN NULL
               ELSE to_split[family_at:]
           END AS family_parts
    FROM kinds
),
-- Dates: the numbers in them, with the letters that scanners take digits for; months by name become "m05".
date_parts AS (
    SELECT service, entity, list_transform(
               list_filter(string_split_regex(birth_text, '[^\p{L}\p{N}|]+'), lambda t: t <> ''),
               lambda t: CASE
                   WHEN months[left(strip_accents(t), 3)] IS NOT NULL THEN 'm' || months[left(strip_accents(t), 3)]
                   ELSE translate(t, 'oil|zs', '011125')
               END
           ) AS p
    FROM named
    WHERE birth_text IS NOT NULL
),
date_shapes AS (
    SELECT *, CASE
        WHEN len(p) = 3 AND (length(p[1]) = 4 OR try_cast(p[1] AS INTEGER) > 31) THEN 'y-m-d'
        WHEN len(p) = 3 AND starts_with(p[1], 'm') THEN 'm-d-y'
        WHEN len(p) = 3 AND starts_with(p[2], 'm') THEN 'd-m-y'
        WHEN len(p) = 3 THEN '?-?-y'
        WHEN len(p) = 1 AND length(p[1]) = 4 THEN 'y'
        WHEN len(p) = 1 AND length(p[1]) BETWEEN 7 AND 9 THEN '8'
        ELSE NULL
    END AS shape
    FROM date_parts
),
date_orders AS (
    SELECT d.service, d.entity, d.p, CASE
        WHEN shape = '?-?-y' AND coalesce(h.day_first, NOT $month_first) THEN 'd-m-y'
        WHEN shape = '?-?-y' THEN 'm-d-y'
        WHEN shape = '8' AND coalesce(h.year_first, true) THEN 'ymd'
        WHEN shape = '8' AND coalesce(h.day_first, NOT $month_first) THEN 'dmy'
        WHEN shape = '8' THEN 'mdy'
        ELSE shape
    END AS form
    FROM date_shapes d LEFT JOIN habits h ON h.service = d.service
),
dates AS (
    SELECT service, entity, CASE form
        WHEN 'y' THEN [p[1], '', '']
        WHEN 'y-m-d' THEN [p[1], p[2], p[3]]
        WHEN 'm-d-y' THEN [p[3], p[1], p[2]]
        WHEN 'd-m-y' THEN [p[3], p[2], p[1]]
        WHEN 'ymd' THEN [left(p[1], 4), substr(p[1], 5, 2), substr(p[1], 7)]
        WHEN 'mdy' THEN [right(p[1], 4), left(p[1], 2), substr(p[1], 3, length(p[1]) - 6)]
        WHEN 'dmy' THEN [right(p[1], 4), substr(p[1], 3, length(p[1]) - 6), left(p[1], 2)]
        ELSE NULL
    END AS ymd
    FROM date_orders
),
births AS (
    SELECT service, entity,
           CASE
               WHEN length(ymd[1]) <> 2 THEN ymd[1]
               WHEN ymd[1] > $this_year THEN '19' || ymd[1]
               ELSE '20' || ymd[1]
           END
           || CASE WHEN ymd[2] = '' THEN '' ELSE lpad(replace(ymd[2], 'm', ''), 2, '0') END
           || CASE WHEN ymd[3] = '' THEN '' ELSE lpad(ymd[3], 2, '0') END AS birth
    FROM dates
),
streets AS (
    SELECT service, entity,
           list_transform(
               string_split(regexp_replace(regexp_replace(texts[4], '(\pL)(stra(ss|ß)e|str)( |$)', '\1 st\4', 'g'),
                   '(\d) (\pL)( |$)', '\1\2\3', 'g'), ' '),
               lambda w: coalesce(short_forms[w], w)
           ) AS w
    FROM named
    WHERE texts[4] IS NOT NULL
),
street_lines AS (
    SELECT service, entity,
           list_sort(list_filter(w, lambda t: regexp_matches(t, '^\d'))) AS numbers,
           list_filter(w, lambda t: t <> 'unit' AND NOT regexp_matches(t, '^\d')) AS street_words
    FROM streets
)
SELECT n.service, n.entity, n.fingerprint,
       nullif(given_parts[1], '') AS given,
       nullif(array_to_string(given_parts[2:], ' '), '') AS middle,
       nullif(array_to_string(family_parts, ' '), '') AS family,
       nullif(array_to_string(
           list_sort(list_distinct(list_concat(coalesce(given_parts, []), coalesce(family_parts, [])))), ' '
       ), '') AS words,
       b.birth,
       nullif(array_to_string(list_concat(s.numbers, s.street_words), ' '), '') AS street,
       nullif(array_to_string(s.numbers, ' '), '') AS numbers,
       n.postcode, n.texts[5] AS city, n.texts[6] AS country
FROM named n
LEFT JOIN births b ON b.service = n.service AND b.entity = n.entity
LEFT JOIN street_lines s ON s.service = n.service AND s.entity = n.entity
ORDER BY n.service, n.entity
