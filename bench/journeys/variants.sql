-- The most frequent paths, of equals the shorter, then those of lower types; and how many there are.
SELECT array_to_string(path, '>'), customers, variants
FROM (
    SELECT path, customers, count(*) OVER () AS variants
    FROM (
        SELECT path, count(*) AS customers
        FROM (SELECT customer, list(type ORDER BY place) AS path FROM ordered GROUP BY customer) AS paths
        GROUP BY path
    ) AS counted
) AS ranked
ORDER BY customers DESC, len(path), path
LIMIT $most
