SELECT
    CAST(type AS VARCHAR), count(*),
    count(*) FILTER (WHERE coalesce(after_us, $as_of) - us > $wait),
    count(*) FILTER (WHERE $as_of - us <= $wait)
FROM ordered
GROUP BY type
