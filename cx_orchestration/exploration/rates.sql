-- Grain: one cluster at one step (journey, step, segment, segment_value) against the other customers at that step whose
--   value of the segment is known.
-- Columns: n, hits, amount of the cluster; other_n, other_hits, other_amount of the others.
-- Inputs: outcomes (journey, step, customer_id, hit 0 or 1, amount DECIMAL), clusters (clusters.sql),
--   set_aside (journey, step, customer_id: not counted at that step).
WITH counted AS (
    SELECT
        c.journey, c.step, c.segment, c.segment_value,
        count(*) AS n,
        CAST(sum(o.hit) AS BIGINT) AS hits,
        CAST(sum(o.amount) AS DECIMAL(38, 4)) AS amount
    FROM outcomes AS o
    JOIN clusters AS c ON c.journey = o.journey AND c.step = o.step AND c.customer_id = o.customer_id
    LEFT JOIN set_aside AS a ON a.journey = o.journey AND a.step = o.step AND a.customer_id = o.customer_id
    WHERE a.customer_id IS NULL
    GROUP BY c.journey, c.step, c.segment, c.segment_value
),
together AS (
    SELECT *, sum(n) OVER w AS all_n, sum(hits) OVER w AS all_hits, sum(amount) OVER w AS all_amount
    FROM counted
    WINDOW w AS (PARTITION BY journey, step, segment)
)
SELECT
    journey, step, segment, segment_value, n, hits,
    CAST(amount AS DOUBLE) AS amount,
    CAST(all_n - n AS BIGINT) AS other_n,
    CAST(all_hits - hits AS BIGINT) AS other_hits,
    CAST(all_amount - amount AS DOUBLE) AS other_amount
FROM together
ORDER BY journey, step, segment, segment_value
