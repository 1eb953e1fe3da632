-- Grain: one service. Keys: service. Columns: has_family_names (else its given names hold whole names), organisations
-- (whether one whole name in ten has a legal form, so that all are of organisations), day_first
-- (whether its dates have the day before the month; null if they do not tell), year_first (whether its dates of eight
-- digits start with the year).
-- Inputs: profiles; words (kind, word). A service writes its dates in the order that most of them allow.
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
),
votes AS (
    SELECT service, coalesce(bool_or(has_family_name), false) AS has_family_names,
           count(*) FILTER (WHERE has_whole_name AND has_legal_form)
               >= 0.1 * greatest(count(*) FILTER (WHERE has_whole_name), 1) AS organisations,
           count(*) FILTER (WHERE left(digits, 2) IN ('19', '20')) AS years_first,
           count(*) FILTER (WHERE substr(digits, 5, 2) IN ('19', '20')) AS years_last,
           count(*) FILTER (WHERE try_cast(p[1] AS INTEGER) BETWEEN 13 AND 31) AS days_first,
           count(*) FILTER (WHERE try_cast(p[2] AS INTEGER) BETWEEN 13 AND 31) AS months_first,
           count(*) FILTER (WHERE try_cast(left(digits, 2) AS INTEGER) BETWEEN 13 AND 31) AS days_first_8,
           count(*) FILTER (WHERE try_cast(substr(digits, 3, 2) AS INTEGER) BETWEEN 13 AND 31) AS months_first_8
    FROM parts
    GROUP BY service
)
SELECT service, has_family_names, organisations,
       CASE
           WHEN years_first < years_last AND days_first_8 <> months_first_8 THEN days_first_8 > months_first_8
           WHEN days_first <> months_first THEN days_first > months_first
           ELSE NULL
       END AS day_first,
       years_first >= years_last AS year_first
FROM votes
ORDER BY service
