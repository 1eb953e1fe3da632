SELECT type, after_type, count(*), sum(after_us - us) / count(*) / 1e6
FROM ordered
WHERE after_type IS NOT NULL
GROUP BY type, after_type
