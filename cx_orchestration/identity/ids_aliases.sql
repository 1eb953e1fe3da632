-- Grain: one customer id that is no customer's any more. Keys: old_customer_id. Columns: those of customer_aliases.
-- Inputs: aliases, as the last run left them; records; claimed; borne. Parameter: $now.
WITH ids AS (
    SELECT customer_id AS id, min(born_at) AS born_at FROM records WHERE customer_id IS NOT NULL GROUP BY customer_id
),
-- What became of every id that could change: the id that it stands for now, none when no records are left.
stands AS (
    SELECT coalesce(c.id, i.id) AS id, coalesce(c.born_at, i.born_at) AS born_at, b.id AS customer_id
    FROM ids i FULL JOIN claimed c ON c.id = i.id LEFT JOIN borne b ON b.cluster = c.cluster
)
SELECT old_customer_id, customer_id, why, since, born_at
FROM (
    SELECT s.id AS old_customer_id, s.customer_id,
           CASE WHEN s.customer_id IS NULL THEN 'no records left' ELSE 'merged' END AS why,
           CASE
               WHEN a.old_customer_id IS NOT NULL AND a.customer_id IS NOT DISTINCT FROM s.customer_id THEN a.since
               ELSE $now::TIMESTAMPTZ
           END AS since,
           s.born_at
    FROM stands s LEFT JOIN aliases a ON a.old_customer_id = s.id
    WHERE s.customer_id IS DISTINCT FROM s.id
    UNION ALL
    SELECT a.old_customer_id, CASE WHEN s.id IS NULL THEN a.customer_id ELSE s.customer_id END AS customer_id, a.why,
           CASE WHEN s.id IS NULL OR s.customer_id = a.customer_id THEN a.since ELSE $now::TIMESTAMPTZ END AS since,
           a.born_at
    FROM aliases a LEFT JOIN stands s ON s.id = a.customer_id
    WHERE NOT EXISTS (SELECT 1 FROM stands own WHERE own.id = a.old_customer_id)
      AND NOT EXISTS (SELECT 1 FROM borne b WHERE b.id = a.old_customer_id)
) AS former
ORDER BY old_customer_id
