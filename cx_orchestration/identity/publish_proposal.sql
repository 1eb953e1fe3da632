-- Grain: all entities that a run looked at, one row.
-- Columns: records_before (of the map that stands), largest_cluster (most records of a customer that was looked at),
-- new_records (in no map yet), candidates (scored pairs that they are in).
-- Inputs: assigned (ids_assigned.sql), pairs (resolve_pairs.sql), identity_map.
WITH fresh AS (
    SELECT code FROM assigned WHERE old_customer_id IS NULL
)
SELECT (SELECT count(*) FROM identity_map) AS records_before,
       (SELECT coalesce(max(records), 0)
        FROM (SELECT count(*) AS records FROM assigned WHERE customer_id IS NOT NULL GROUP BY customer_id) AS sizes
       ) AS largest_cluster,
       (SELECT count(*) FROM fresh) AS new_records,
       (SELECT count(*)
        FROM pairs
        WHERE kind = 1
          AND (left_code IN (SELECT code FROM fresh) OR right_code IN (SELECT code FROM fresh))) AS candidates
