-- The latest entry from which each step was reached, event by event: each window needs the one before.
WITH f AS (
    SELECT customer, type, us, place FROM ordered WHERE type IN ('type.00', 'type.01', 'type.02', 'type.03', 'type.04')
),
e1 AS (SELECT *, max(CASE WHEN type = 'type.00' THEN us END) OVER w AS s1 FROM f WINDOW w AS (PARTITION BY customer ORDER BY place)),
e2 AS (SELECT *, max(CASE WHEN type = 'type.01' AND us - s1 <= $window THEN s1 END) OVER w AS s2 FROM e1 WINDOW w AS (PARTITION BY customer ORDER BY place)),
e3 AS (SELECT *, max(CASE WHEN type = 'type.02' AND us - s2 <= $window THEN s2 END) OVER w AS s3 FROM e2 WINDOW w AS (PARTITION BY customer ORDER BY place)),
e4 AS (SELECT *, max(CASE WHEN type = 'type.03' AND us - s3 <= $window THEN s3 END) OVER w AS s4 FROM e3 WINDOW w AS (PARTITION BY customer ORDER BY place)),
deepest AS (
    SELECT
        customer,
        max(CASE
            WHEN type = 'type.04' AND us - s4 <= $window THEN 5
            WHEN s4 IS NOT NULL THEN 4
            WHEN s3 IS NOT NULL THEN 3
            WHEN s2 IS NOT NULL THEN 2
            WHEN s1 IS NOT NULL THEN 1
            ELSE 0
        END) AS depth
    FROM e4
    GROUP BY customer
)
SELECT
    count(*) FILTER (WHERE depth >= 1), count(*) FILTER (WHERE depth >= 2), count(*) FILTER (WHERE depth >= 3),
    count(*) FILTER (WHERE depth >= 4), count(*) FILTER (WHERE depth >= 5)
FROM deepest
