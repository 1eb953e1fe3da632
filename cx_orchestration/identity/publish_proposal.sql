-- Grain: all entities that a run looked at, one row.
-- Columns: records_before (of the map that stands), largest_cluster (most records of a customer that was looked at),
-- new_records (in no map yet), candidates (scored pairs that they are in).
-- Inputs: assigned (ids_assigned.sql), looked (the ledger's entries between them), identity_map.
WITH fresh AS (
    SELECT service, entity FROM assigned WHERE old_customer_id IS NULL
),
scored AS (
    SELECT DISTINCT link_id, left_service, left_entity, right_service, right_entity
    FROM looked
    WHERE rule = 'model' AND retracted_at IS NULL
)
SELECT (SELECT count(*) FROM identity_map) AS records_before,
       (SELECT coalesce(max(records), 0)
        FROM (SELECT count(*) AS records FROM assigned WHERE customer_id IS NOT NULL GROUP BY customer_id) AS sizes
       ) AS largest_cluster,
       (SELECT count(*) FROM fresh) AS new_records,
       (SELECT count(*)
        FROM scored s
        LEFT JOIN fresh l ON l.service = s.left_service AND l.entity = s.left_entity
        LEFT JOIN fresh r ON r.service = s.right_service AND r.entity = s.right_entity
        WHERE l.entity IS NOT NULL OR r.entity IS NOT NULL) AS candidates
