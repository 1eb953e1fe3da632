-- Grain: one number that two tables give. Columns: journey (empty: all events, or a declared funnel), what, one, other, agrees.
-- Inputs: the tables of journeys/ of the same names; maps is journeys/maps. Parameter: $as_of, up to which events count.
WITH events AS (
    SELECT count(*) AS n FROM sequences WHERE occurred_at < $as_of
),
follows AS (
    SELECT
        journey,
        sum(transitions) AS pairs,
        sum(CASE WHEN from_type IS NULL THEN transitions ELSE 0 END) AS firsts,
        sum(CASE WHEN to_type IS NULL THEN transitions ELSE 0 END) AS lasts
    FROM directly_follows
    GROUP BY journey
),
paths AS (
    SELECT journey, sum(customers) AS customers, sum(events) AS events FROM variants GROUP BY journey
),
funnel AS (
    SELECT
        journey, funnel, 'funnel, ' || coalesce(funnel || ', ', '') || semantics AS what, semantics,
        max(CASE WHEN place = 1 THEN customers ELSE 0 END) AS entered,
        sum(dropped) + sum("open") + min(customers) AS ended,
        sum(dropped) AS dropped
    FROM funnels
    GROUP BY journey, funnel, semantics
),
exits AS (
    SELECT journey, 'funnel, ' || coalesce(funnel || ', ', '') || semantics AS what, sum(customers) AS customers
    FROM funnel_exits
    GROUP BY journey, funnel, semantics
),
begun AS (
    SELECT journey, count(DISTINCT customer_id) AS customers FROM instances GROUP BY journey
),
spans AS (
    SELECT DISTINCT journey, CAST(round(window_days * 86400000000) AS BIGINT) AS window_us FROM cohort_milestones
),
matured AS (
    SELECT i.journey, count(*) AS instances
    FROM instances AS i
    JOIN spans AS s ON s.journey = i.journey
    WHERE epoch_us(i.started_at) + s.window_us < epoch_us($as_of)
    GROUP BY i.journey
),
came AS (
    SELECT journey, to_state AS step, count(DISTINCT customer_id) AS customers
    FROM steps
    WHERE NOT deviation AND occurred_at < $as_of
    GROUP BY journey, to_state
),
cohorts AS (
    SELECT
        journey, step, 'cohorts by ' || period || ' on the way to ' || step AS what,
        sum(customers) AS customers, sum(reached) AS reached, sum(instances) AS instances
    FROM cohort_milestones
    GROUP BY journey, step, period
),
placed AS (
    SELECT journey, state AS step, status, 1 AS instances, 0 AS figured FROM instances
    UNION ALL
    SELECT journey, step, 'active', 0, active FROM step_figures
    UNION ALL
    SELECT journey, step, 'completed', 0, completed FROM step_figures
    UNION ALL
    SELECT journey, step, 'abandoned', 0, abandoned FROM step_figures
),
curves AS (
    SELECT journey, step, max(customers) AS customers FROM time_to_milestone GROUP BY journey, step
),
totals AS (
    SELECT '' AS journey, 'events: in sequences, and in paths' AS what, e.n AS one, p.events AS other
    FROM events AS e JOIN paths AS p ON p.journey = ''
    UNION ALL
    SELECT '', 'events: in sequences, and in sessions', e.n, s.events
    FROM events AS e CROSS JOIN (SELECT sum(events) AS events FROM sessions) AS s
    WHERE s.events IS NOT NULL
    UNION ALL
    SELECT '', 'sessions: begun, and ended', sum(begun), sum(ended) FROM sessions HAVING count(*) > 0
    UNION ALL
    SELECT f.journey, 'events: in transitions, and in paths', f.pairs - f.lasts, p.events
    FROM follows AS f JOIN paths AS p ON p.journey = f.journey
    UNION ALL
    SELECT f.journey, 'customers: with a first event, and in paths', f.firsts, p.customers
    FROM follows AS f JOIN paths AS p ON p.journey = f.journey
    UNION ALL
    SELECT f.journey, 'customers: with a last event, and in paths', f.lasts, p.customers
    FROM follows AS f JOIN paths AS p ON p.journey = f.journey
    UNION ALL
    SELECT journey, what || ': entered, and dropped, open or through', entered, ended FROM funnel
    UNION ALL
    SELECT f.journey, f.what || ': dropped, and where they went', f.dropped, coalesce(e.customers, 0)
    FROM funnel AS f LEFT JOIN exits AS e ON e.journey = f.journey AND e.what = f.what
    UNION ALL
    SELECT a.journey, 'funnel: entered by first touch, and by any start', a.entered, b.entered
    FROM funnel AS a JOIN funnel AS b ON b.journey = a.journey
    WHERE a.semantics = 'first_touch' AND b.semantics = 'any_start' AND a.funnel IS NULL AND b.funnel IS NULL
    UNION ALL
    SELECT b.journey, 'customers: with an instance, and in ' || c.what, b.customers, c.customers
    FROM begun AS b JOIN cohorts AS c ON c.journey = b.journey
    UNION ALL
    SELECT b.journey, 'customers: with an instance, and on the curve to ' || c.step, b.customers, c.customers
    FROM begun AS b JOIN curves AS c ON c.journey = b.journey
    UNION ALL
    SELECT c.journey, 'customers: who came to the step, and in ' || c.what, coalesce(s.customers, 0), c.reached
    FROM cohorts AS c LEFT JOIN came AS s ON s.journey = c.journey AND s.step = c.step
    UNION ALL
    SELECT c.journey, 'instances: whose window is over, and of ' || c.what, coalesce(m.instances, 0), c.instances
    FROM cohorts AS c LEFT JOIN matured AS m ON m.journey = c.journey
    UNION ALL
    SELECT journey, 'instances: ' || status || ', and in step figures', sum(instances), sum(figured)
    FROM placed
    GROUP BY journey, status
    UNION ALL
    SELECT journey, 'instances: at ' || step || ', and in step figures', sum(instances), sum(figured)
    FROM placed
    GROUP BY journey, step
)
SELECT journey, what, CAST(one AS BIGINT) AS one, CAST(other AS BIGINT) AS other, one = other AS agrees
FROM totals
UNION ALL
-- A beginning event whose guards do not hold begins no instance, so there may be fewer instances' customers, not more.
-- A funnel follows the newest version of its map, and events of services alone.
SELECT f.journey, 'customers: with an entry of the funnel, and at least those whose instance began with one', f.entered,
    coalesce(b.customers, 0), f.entered >= coalesce(b.customers, 0) AS agrees
FROM funnel AS f
LEFT JOIN (
    SELECT s.journey, count(DISTINCT s.customer_id) AS customers
    FROM steps AS s
    JOIN (SELECT journey, max(version) AS version FROM maps GROUP BY journey) AS m
        ON m.journey = s.journey AND m.version = s.map_version
    LEFT JOIN (SELECT DISTINCT journey, step FROM funnels) AS p ON p.journey = s.journey AND p.step = s.to_state
    WHERE s.from_state IS NULL AND s.occurred_at < $as_of AND s.type NOT LIKE 'journey.%' AND p.step IS NULL
    GROUP BY s.journey
) AS b ON b.journey = f.journey
WHERE f.semantics = 'first_touch' AND f.funnel IS NULL
ORDER BY 1, 2
