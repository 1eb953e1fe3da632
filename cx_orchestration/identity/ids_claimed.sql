-- Grain: one customer id that records of today have, or had before their customer was merged.
-- Keys: id. Columns: id; cluster, to which it goes; born_at; keeps, whether the cluster bears it from now on.
-- Inputs: records (cluster null without a profile); aliases.
-- An id goes to the cluster with most of the records that had it before a merge, then with most of those that have it
-- now, then to the first. A cluster bears the oldest of the ids that go to it.
WITH votes AS (
    SELECT before_merge AS id, cluster, 1 AS strong, 0 AS weak FROM records WHERE before_merge IS NOT NULL
    UNION ALL
    SELECT customer_id, cluster, 0, 1 FROM records WHERE customer_id IS NOT NULL
),
counted AS (
    SELECT id, cluster, sum(strong) AS strong, sum(weak) AS weak
    FROM votes
    WHERE cluster IS NOT NULL
    GROUP BY id, cluster
),
ranked AS (
    SELECT id, cluster, row_number() OVER (PARTITION BY id ORDER BY strong DESC, weak DESC, cluster) AS position
    FROM counted
),
births AS (
    SELECT id, min(born_at) AS born_at
    FROM (
        SELECT customer_id AS id, born_at FROM records
        UNION ALL
        SELECT old_customer_id, coalesce(born_at, since) FROM aliases
    ) AS known
    GROUP BY id
)
SELECT r.id, r.cluster, b.born_at,
       row_number() OVER (PARTITION BY r.cluster ORDER BY b.born_at, r.id) = 1 AS keeps
FROM ranked r LEFT JOIN births b ON b.id = r.id
WHERE r.position = 1
