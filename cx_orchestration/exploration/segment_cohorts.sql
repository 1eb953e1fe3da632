-- Grain: one share of one cluster (journey, measure, step, week, segment, segment_value), of whatever size.
-- Columns: customers; n, what the share is of, and hits, those of which it is true; of customers i with n_i and hits_i,
--   squares_n, squares_hits and products, the sums of n_i * n_i, hits_i * hits_i and n_i * hits_i. Measures:
--   begins_at   instances that began at the step, of all that began and did not resume another one
--   completed   instances that completed within the map's window after beginning, of those whose window is over
--   reached     customers who came to the step within the map's window after beginning, of those whose window is over
--   active      customers with an event in that week after beginning, week 0 the first, of those for whom it is over
-- The cluster is as known when the instance, or the customer's first one, began; 'all' 'customers' is everybody.
-- Inputs: entries (entries.sql) and clusters (clusters.sql) of every visit, visits (visits.sql), steps (journeys/steps),
--   instances (journeys/instances), sequences, milestones (journey, step, until_at: the window in microseconds), weeks
--   (week), spans (journey, window_us: its window). Parameter: $as_of, up to which customers are followed.
WITH known AS (
    SELECT journey, step, customer_id, place, segment, segment_value
    FROM clusters
    WHERE segment NOT IN ('came_from', 'came_back')
    UNION ALL
    SELECT journey, step, customer_id, place, 'all' AS segment, 'customers' AS segment_value
    FROM entries
),
members AS (
    SELECT e.journey, k.segment, k.segment_value, e.customer_id, e.entered_at AS began_at
    FROM entries AS e
    JOIN known AS k
        ON k.journey = e.journey AND k.step = e.step AND k.customer_id = e.customer_id AND k.place = e.place
    WHERE e.position = 1
),
firsts AS (
    SELECT journey, instance_id, customer_id, event_id, to_state AS step, from_state
    FROM steps
    WHERE seq = 1 AND NOT deviation AND occurred_at < $as_of
),
begun AS (
    SELECT f.journey, f.instance_id, f.customer_id, f.step, f.from_state, k.segment, k.segment_value
    FROM firsts AS f
    JOIN visits AS v
        ON v.journey = f.journey AND v.customer_id = f.customer_id AND v.step = f.step AND v.event_id = f.event_id
        AND v.begins = 1
    JOIN known AS k
        ON k.journey = v.journey AND k.step = v.step AND k.customer_id = v.customer_id AND k.place = v.place
),
begun_by AS (
    SELECT journey, segment, segment_value, customer_id, count(*) AS n
    FROM begun
    WHERE from_state IS NULL
    GROUP BY journey, segment, segment_value, customer_id
),
begun_at AS (
    SELECT journey, step, segment, segment_value, customer_id, count(*) AS hits
    FROM begun
    WHERE from_state IS NULL
    GROUP BY journey, step, segment, segment_value, customer_id
),
begin_steps AS (
    SELECT DISTINCT journey, step FROM begun_at
),
came AS (
    SELECT journey, step, customer_id, min(entered_at) AS reached_at FROM entries GROUP BY journey, step, customer_id
),
activity AS (
    SELECT DISTINCT
        e.journey, e.customer_id,
        CAST(floor((epoch_us(s.occurred_at) - e.entered_at) / 604800000000) AS BIGINT) AS week
    FROM entries AS e
    JOIN sequences AS s ON s.customer_id = e.customer_id
    WHERE e.position = 1 AND s.occurred_at < $as_of AND epoch_us(s.occurred_at) >= e.entered_at
),
counted AS (
    SELECT
        b.journey, 'begins_at' AS measure, t.step, CAST(NULL AS BIGINT) AS week, b.segment, b.segment_value, b.n,
        coalesce(h.hits, 0) AS hits
    FROM begun_by AS b
    JOIN begin_steps AS t ON t.journey = b.journey
    LEFT JOIN begun_at AS h
        ON h.journey = b.journey AND h.step = t.step AND h.segment = b.segment AND h.segment_value = b.segment_value
        AND h.customer_id = b.customer_id
    UNION ALL
    SELECT
        b.journey, 'completed', CAST(NULL AS VARCHAR), CAST(NULL AS BIGINT), b.segment, b.segment_value, count(*),
        CAST(sum(CASE
            WHEN i.status = 'completed' AND epoch_us(i.ended_at) - epoch_us(i.started_at) <= s.window_us THEN 1
            ELSE 0
        END) AS BIGINT)
    FROM begun AS b
    JOIN instances AS i ON i.journey = b.journey AND i.instance_id = b.instance_id
    JOIN spans AS s ON s.journey = b.journey
    WHERE epoch_us(i.started_at) + s.window_us < epoch_us($as_of)
    GROUP BY b.journey, b.segment, b.segment_value, b.customer_id
    UNION ALL
    SELECT
        m.journey, 'reached', t.step, CAST(NULL AS BIGINT), m.segment, m.segment_value, CAST(1 AS BIGINT),
        CAST(CASE WHEN c.reached_at - m.began_at <= t.until_at THEN 1 ELSE 0 END AS BIGINT)
    FROM members AS m
    JOIN milestones AS t ON t.journey = m.journey
    LEFT JOIN came AS c ON c.journey = m.journey AND c.step = t.step AND c.customer_id = m.customer_id
    WHERE m.began_at + t.until_at < epoch_us($as_of)
    UNION ALL
    SELECT
        m.journey, 'active', CAST(NULL AS VARCHAR), w.week, m.segment, m.segment_value, CAST(1 AS BIGINT),
        CAST(CASE WHEN a.week IS NULL THEN 0 ELSE 1 END AS BIGINT)
    FROM members AS m
    JOIN weeks AS w ON m.began_at + (w.week + 1) * 604800000000 <= epoch_us($as_of)
    LEFT JOIN activity AS a ON a.journey = m.journey AND a.customer_id = m.customer_id AND a.week = w.week
)
SELECT
    journey, measure, step, week, segment, segment_value,
    count(*) AS customers,
    CAST(sum(n) AS BIGINT) AS n,
    CAST(sum(hits) AS BIGINT) AS hits,
    CAST(sum(n * n) AS BIGINT) AS squares_n,
    CAST(sum(hits * hits) AS BIGINT) AS squares_hits,
    CAST(sum(n * hits) AS BIGINT) AS products
FROM counted
GROUP BY journey, measure, step, week, segment, segment_value
ORDER BY journey, measure, step, week, segment, segment_value
