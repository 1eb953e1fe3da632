-- Grain: one entity that was looked at and has a profile. Keys: service, entity.
-- Columns: those of the map; code; old_customer_id, null for an entity that is new; same, whether its row of the map
-- stays as it is.
-- Inputs: records; claimed (ids_claimed.sql); borne (cluster, id, born_at), the id of each cluster. Parameter: $now.
WITH merged AS (
    SELECT DISTINCT customer_id FROM records WHERE before_merge IS NOT NULL
),
-- The id that a record brought in: none if it came when its customer was merged already.
origins AS (
    SELECT r.code, r.cluster,
           CASE
               WHEN r.before_merge IS NOT NULL THEN r.before_merge
               WHEN m.customer_id IS NULL THEN r.customer_id
           END AS origin
    FROM records r LEFT JOIN merged m ON m.customer_id = r.customer_id
    WHERE r.code IS NOT NULL AND r.customer_id IS NOT NULL
),
brought AS (
    SELECT o.code, o.cluster, o.origin
    FROM origins o JOIN claimed c ON c.id = o.origin AND c.cluster = o.cluster
),
several AS (
    SELECT cluster FROM brought GROUP BY cluster HAVING min(origin) <> max(origin)
),
neighbours AS (
    SELECT r.hangs, min(b.id) AS component
    FROM records r JOIN borne b ON b.cluster = r.cluster
    WHERE r.code = r.cluster
    GROUP BY r.hangs
    HAVING count(*) > 1
),
assigned AS (
    SELECT r.service, r.entity, b.id AS customer_id,
           CASE WHEN r.customer_id = b.id THEN r.since ELSE $now::TIMESTAMPTZ END AS since,
           b.born_at, CASE WHEN s.cluster IS NOT NULL THEN f.origin END AS before_merge, n.component,
           r.is_bare, r.was_bare, r.code, r.cluster, r.customer_id AS old_customer_id, r.before_merge AS old_before_merge,
           r.component AS old_component
    FROM records r
    JOIN borne b ON b.cluster = r.cluster
    LEFT JOIN brought f ON f.code = r.code
    LEFT JOIN several s ON s.cluster = r.cluster
    LEFT JOIN neighbours n ON n.hangs = r.hangs
)
SELECT service, entity, customer_id, since, born_at, before_merge, component, is_bare, code, cluster,
       old_customer_id,
       coalesce(customer_id = old_customer_id, false) AND before_merge IS NOT DISTINCT FROM old_before_merge
           AND component IS NOT DISTINCT FROM old_component AND is_bare IS NOT DISTINCT FROM was_bare AS same
FROM assigned
ORDER BY code
