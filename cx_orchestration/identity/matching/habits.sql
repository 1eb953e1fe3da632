-- Grain: one service. Keys: service. Columns: has_family_names (else its given names hold whole names), organisations
-- (whether one whole name in ten has a legal form, so that all are of organisations), day_first
-- (whether its dates have the day before the month; null if they do not tell), year_first (whether its dates of eight
-- digits start with the year).
-- Input: votes (habits_votes.sql), of any parts of the profiles. A service writes its dates in the order that most of
-- them allow.
WITH counted AS (
    SELECT service, sum(family_names) AS family_names, sum(whole_names) AS whole_names,
           sum(legal_forms) AS legal_forms, sum(years_first) AS years_first, sum(years_last) AS years_last,
           sum(days_first) AS days_first, sum(months_first) AS months_first, sum(days_first_8) AS days_first_8,
           sum(months_first_8) AS months_first_8
    FROM votes
    GROUP BY service
)
SELECT service, family_names > 0 AS has_family_names,
       legal_forms >= 0.1 * greatest(whole_names, 1) AS organisations,
       CASE
           WHEN years_first < years_last AND days_first_8 <> months_first_8 THEN days_first_8 > months_first_8
           WHEN days_first <> months_first THEN days_first > months_first
           ELSE NULL
       END AS day_first,
       years_first >= years_last AS year_first
FROM counted
ORDER BY service
