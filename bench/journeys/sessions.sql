WITH marked AS (
    SELECT
        us, after_us,
        CASE WHEN before_us IS NULL OR us - before_us > $gap THEN 1 ELSE 0 END AS begins,
        CASE WHEN after_us IS NULL OR after_us - us > $gap THEN 1 ELSE 0 END AS ends
    FROM ordered
)
SELECT
    sum(begins), sum(CASE WHEN begins = 1 AND ends = 1 THEN 1 ELSE 0 END),
    sum(CASE WHEN ends = 0 THEN after_us - us ELSE 0 END) / 1e6
FROM marked
