-- Grain: one service. Keys: service. Columns: what its profiles show (habits.sql), as numbers that add up.
-- Inputs: profiles; words (kind, word).
WITH texts AS (
    SELECT service, family_name, birth_date, string_split(lower(replace(name, '.', '')), ' ') AS name_words,
           list_filter(string_split_regex(trim(birth_date), '[^0-9]+'), lambda t: t <> '') AS p
    FROM profiles
),
parts AS (
    SELECT service, nullif(trim(family_name), '') IS NOT NULL AS has_family_name, len(name_words) > 1 AS has_whole_name,
           list_has_any(name_words, (SELECT list(word) FROM words WHERE kind = 'legal_form')) AS has_legal_form,
           CASE WHEN len(p) = 1 AND length(p[1]) = 8 THEN p[1] ELSE NULL END AS digits,
           CASE WHEN len(p) >= 3 AND length(p[1]) <= 2 THEN p ELSE NULL END AS p
    FROM texts
)
SELECT service, count(*) FILTER (WHERE has_family_name) AS family_names,
       count(*) FILTER (WHERE has_whole_name) AS whole_names,
       count(*) FILTER (WHERE has_whole_name AND has_legal_form) AS legal_forms,
       count(*) FILTER (WHERE left(digits, 2) IN ('19', '20')) AS years_first,
       count(*) FILTER (WHERE substr(digits, 5, 2) IN ('19', '20')) AS years_last,
       count(*) FILTER (WHERE try_cast(p[1] AS INTEGER) BETWEEN 13 AND 31) AS days_first,
       count(*) FILTER (WHERE try_cast(p[2] AS INTEGER) BETWEEN 13 AND 31) AS months_first,
       count(*) FILTER (WHERE try_cast(left(digits, 2) AS INTEGER) BETWEEN 13 AND 31) AS days_first_8,
       count(*) FILTER (WHERE try_cast(substr(digits, 3, 2) AS INTEGER) BETWEEN 13 AND 31) AS months_first_8
FROM parts
GROUP BY service
