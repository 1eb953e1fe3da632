-- Grain: one entity to look at, that has a profile or that the map knows.
-- Keys: service, entity. Columns: the keys; code (0, 1, 2, ... in the order of the keys; null without a profile);
-- repeated, whether the profile before is of the same entity; customer_id, since, born_at, before_merge and component
-- of the map, null for an entity that is new; is_bare, was_bare: whether there is, or was, nothing to compare but keys.
-- Inputs: previous, rows of the map; present (service, entity), one row per profile; bare (resolve_bare.sql).
WITH coded AS (
    SELECT service, entity, row_number() OVER by_key - 1 AS code,
           coalesce(lag(service) OVER by_key = service AND lag(entity) OVER by_key = entity, false) AS repeated
    FROM present
    WINDOW by_key AS (ORDER BY service, entity)
)
SELECT coalesce(c.service, m.service) AS service, coalesce(c.entity, m.entity) AS entity, c.code,
       coalesce(c.repeated, false) AS repeated,
       m.customer_id, m.since, coalesce(m.born_at, m.since) AS born_at, m.before_merge, m.component,
       EXISTS (SELECT 1 FROM bare b WHERE b.service = c.service AND b.entity = c.entity) AS is_bare,
       m.is_bare AS was_bare
FROM coded c FULL JOIN previous m ON m.service = c.service AND m.entity = c.entity
ORDER BY c.code
