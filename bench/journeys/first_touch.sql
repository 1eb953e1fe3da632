WITH f AS (
    SELECT customer, type, us, place FROM ordered WHERE type IN ('type.00', 'type.01', 'type.02', 'type.03', 'type.04')
),
s1 AS (SELECT customer, min(place) AS place, min(us) AS entered FROM f WHERE type = 'type.00' GROUP BY customer),
s2 AS (
    SELECT f.customer, min(f.place) AS place, any_value(s.entered) AS entered
    FROM f JOIN s1 AS s ON s.customer = f.customer
    WHERE f.type = 'type.01' AND f.place > s.place AND f.us <= s.entered + $window GROUP BY f.customer
),
s3 AS (
    SELECT f.customer, min(f.place) AS place, any_value(s.entered) AS entered
    FROM f JOIN s2 AS s ON s.customer = f.customer
    WHERE f.type = 'type.02' AND f.place > s.place AND f.us <= s.entered + $window GROUP BY f.customer
),
s4 AS (
    SELECT f.customer, min(f.place) AS place, any_value(s.entered) AS entered
    FROM f JOIN s3 AS s ON s.customer = f.customer
    WHERE f.type = 'type.03' AND f.place > s.place AND f.us <= s.entered + $window GROUP BY f.customer
),
s5 AS (
    SELECT f.customer
    FROM f JOIN s4 AS s ON s.customer = f.customer
    WHERE f.type = 'type.04' AND f.place > s.place AND f.us <= s.entered + $window GROUP BY f.customer
)
SELECT
    (SELECT count(*) FROM s1), (SELECT count(*) FROM s2), (SELECT count(*) FROM s3), (SELECT count(*) FROM s4),
    (SELECT count(*) FROM s5)
