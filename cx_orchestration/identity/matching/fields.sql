-- Grain: one entity. Keys: service, entity. Columns: service, entity, fingerprint (of the texts as received); given (the
-- first given name, or its initial), middle (the other given names), family, words (the distinct ones of the whole
-- name, sorted), birth (yyyymmdd, or yyyy), street (its numbers, then its words), numbers (of the street), postcode,
-- city, country; all in lower case without accents and punctuation, null where nothing is known.
-- Inputs: changed (profiles_fingerprinted.sql); habits (habits.sql).
-- Parameters: $month_first, whether 5/6/1990 is in May where a service's habits are not known; $this_year, two digits;
-- $titles, $particles and $legal_forms of names; $street_words with their short forms $street_values; $month_words (the
-- first letters of months) with their numbers $month_values.
-- Each distinct text is read once, however many entities have it.
WITH written AS (
    SELECT service, entity, fingerprint, name, given_name, family_name, birth_date, street, postcode, city, country,
           coalesce(name LIKE '%,%', false) AS family_first,
           CASE WHEN name LIKE '%,%' THEN split_part(name, ',', 1) ELSE NULL END AS before_comma
    FROM changed
),
texts AS (
    SELECT name AS text FROM written
    UNION SELECT given_name FROM written
    UNION SELECT family_name FROM written
    UNION SELECT before_comma FROM written
    UNION SELECT city FROM written
    UNION SELECT country FROM written
    UNION SELECT street FROM written
),
cleaned AS (
    SELECT text, nullif(trim(regexp_replace(regexp_replace(
               replace(replace(replace(replace(strip_accents(lower(nfc_normalize(text))),
                   'ß', 'ss'), 'æ', 'ae'), 'ø', 'o'), 'ł', 'l'),
               '[''’`´.]', '', 'g'), '[^\p{L}\p{N}]+', ' ', 'g')), '') AS clean
    FROM texts
    WHERE text IS NOT NULL
),
named_words AS (
    SELECT text, clean, list_filter(string_split(clean, ' '), lambda w: NOT list_contains($titles, w)) AS words
    FROM cleaned
),
words_of AS (
    SELECT w.service, w.entity, w.fingerprint, w.birth_date, w.street, w.family_first,
           nullif(regexp_replace(lower(w.postcode), '[^\p{L}\p{N}]+', '', 'g'), '') AS postcode,
           city.clean AS city, country.clean AS country,
           given.words AS given_words, family.words AS family_words, whole.words AS whole_words,
           first.words AS first_words,
           -- A service that has no family names at all puts whole names in its other field.
           coalesce(h.has_family_names, true) AS has_family_names,
           coalesce(h.organisations, false) AS organisations,
           coalesce(h.day_first, NOT $month_first) AS day_first, coalesce(h.year_first, true) AS year_first
    FROM written w
    LEFT JOIN habits h ON h.service = w.service
    LEFT JOIN named_words given ON given.text = w.given_name
    LEFT JOIN named_words family ON family.text = w.family_name
    LEFT JOIN named_words whole ON whole.text = w.name
    LEFT JOIN named_words first ON first.text = w.before_comma
    LEFT JOIN cleaned city ON city.text = w.city
    LEFT JOIN cleaned country ON country.text = w.country
),
split AS (
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
               OR len(to_split) > 1 AND len(list_intersect(to_split, $legal_forms)) > 0 AS organisation,
           -- Where the family name starts in a whole name: at its last word and the particles before it.
           CASE
               WHEN to_split IS NULL THEN NULL
               WHEN len(to_split) > 2 AND list_contains($particles, to_split[len(to_split) - 2])
                    AND list_contains($particles, to_split[len(to_split) - 1]) AND len(to_split) > 3
                   THEN len(to_split) - 2
               WHEN len(to_split) > 2 AND list_contains($particles, to_split[len(to_split) - 1])
                   THEN len(to_split) - 1
               ELSE len(to_split)
           END AS family_at
    FROM split
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
               WHEN organisation THEN list_filter(to_split, lambda w: NOT list_contains($legal_forms, w))
               WHEN family_first THEN first_words
               WHEN len(to_split) = 1 THEN NULL
               ELSE to_split[family_at:]
           END AS family_parts
    FROM kinds
),
-- Dates: the numbers in them, with the letters that scanners take digits for; months by name become "m05".
date_parts AS (
    SELECT birth_date, day_first, year_first, list_transform(
               list_filter(
                   string_split_regex(
                       nullif(trim(regexp_replace(lower(birth_date), '[t ]\d\d?:.*$', '')), ''), '[^\p{L}\p{N}|]+'
                   ),
                   lambda t: t <> ''
               ),
               lambda t: CASE
                   WHEN list_contains($month_words, left(strip_accents(t), 3))
                       THEN 'm' || $month_values[list_position($month_words, left(strip_accents(t), 3))]
                   ELSE translate(t, 'oil|zs', '011125')
               END
           ) AS p
    FROM (SELECT DISTINCT birth_date, day_first, year_first FROM words_of WHERE birth_date IS NOT NULL) AS dates_written
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
    SELECT *, CASE
        WHEN shape = '?-?-y' AND day_first THEN 'd-m-y'
        WHEN shape = '?-?-y' THEN 'm-d-y'
        WHEN shape = '8' AND year_first THEN 'ymd'
        WHEN shape = '8' AND day_first THEN 'dmy'
        WHEN shape = '8' THEN 'mdy'
        ELSE shape
    END AS form
    FROM date_shapes
),
dates AS (
    SELECT birth_date, day_first, year_first, CASE form
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
    SELECT birth_date, day_first, year_first,
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
    SELECT text, list_transform(
               string_split(regexp_replace(regexp_replace(clean, '(\pL)(stra(ss|ß)e|str)( |$)', '\1 st\4', 'g'),
                   '(\d) (\pL)( |$)', '\1\2\3', 'g'), ' '),
               lambda w: coalesce($street_values[list_position($street_words, w)], w)
           ) AS w
    FROM cleaned
    WHERE clean IS NOT NULL AND text IN (SELECT street FROM written)
),
street_parts AS (
    SELECT text, list_sort(list_filter(w, lambda t: left(t, 1) BETWEEN '0' AND '9')) AS numbers,
           list_filter(w, lambda t: t <> 'unit' AND NOT left(t, 1) BETWEEN '0' AND '9') AS street_words
    FROM streets
),
street_lines AS (
    SELECT text, nullif(array_to_string(list_concat(numbers, street_words), ' '), '') AS street,
           nullif(array_to_string(numbers, ' '), '') AS numbers
    FROM street_parts
)
SELECT n.service, n.entity, n.fingerprint,
       nullif(given_parts[1], '') AS given,
       nullif(array_to_string(given_parts[2:], ' '), '') AS middle,
       nullif(array_to_string(family_parts, ' '), '') AS family,
       nullif(CASE
           WHEN len(given_parts) = 1 AND len(family_parts) = 1 AND given_parts[1] < family_parts[1]
               THEN given_parts[1] || ' ' || family_parts[1]
           WHEN len(given_parts) = 1 AND len(family_parts) = 1 AND given_parts[1] > family_parts[1]
               THEN family_parts[1] || ' ' || given_parts[1]
           ELSE array_to_string(
               list_sort(list_distinct(list_concat(coalesce(given_parts, []), coalesce(family_parts, [])))), ' '
           )
       END, '') AS words,
       b.birth, s.street, s.numbers, n.postcode, n.city, n.country
FROM named n
LEFT JOIN births b ON b.birth_date = n.birth_date AND b.day_first = n.day_first AND b.year_first = n.year_first
LEFT JOIN street_lines s ON s.text = n.street
