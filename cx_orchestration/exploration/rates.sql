-- Grain: one candidate (journey, step, segment, segment_value) against the other customers at that step of whom it is
--   known that they are not in it.
-- Columns: n, hits, amount, early_n, early_hits of the cluster; the same of the others, named other_...
-- Inputs: outcomes (journey, step, customer_id, hit 0 or 1, amount DECIMAL, early 0 or 1), candidates (candidates.sql),
--   set_aside (journey, step, customer_id: not counted at that step).
WITH counted AS (
    SELECT
        c.journey, c.step, c.segment, c.segment_value, c.rule,
        count(*) AS n,
        CAST(sum(o.hit) AS BIGINT) AS hits,
        CAST(sum(o.amount) AS DECIMAL(38, 4)) AS amount,
        CAST(sum(o.early) AS BIGINT) AS early_n,
        CAST(sum(o.early * o.hit) AS BIGINT) AS early_hits
    FROM outcomes AS o
    JOIN candidates AS c ON c.journey = o.journey AND c.step = o.step AND c.customer_id = o.customer_id
    LEFT JOIN set_aside AS a ON a.journey = o.journey AND a.step = o.step AND a.customer_id = o.customer_id
    WHERE a.customer_id IS NULL AND c.counts = 1
    GROUP BY c.journey, c.step, c.segment, c.segment_value, c.rule
),
together AS (
    SELECT
        *, sum(n) OVER w AS all_n, sum(hits) OVER w AS all_hits, sum(amount) OVER w AS all_amount,
        sum(early_n) OVER w AS all_early_n, sum(early_hits) OVER w AS all_early_hits
    FROM counted
    WINDOW w AS (PARTITION BY journey, step, segment, rule)
)
SELECT
    journey, step, segment, segment_value, n, hits,
    CAST(amount AS DOUBLE) AS amount,
    early_n, early_hits,
    CAST(all_n - n AS BIGINT) AS other_n,
    CAST(all_hits - hits AS BIGINT) AS other_hits,
    CAST(all_amount - amount AS DOUBLE) AS other_amount,
    CAST(all_early_n - early_n AS BIGINT) AS other_early_n,
    CAST(all_early_hits - early_hits AS BIGINT) AS other_early_hits
FROM together
WHERE segment_value <> ''
ORDER BY journey, step, segment, segment_value
