-- Grain: one cluster to which no id goes. Keys: cluster. Columns: cluster; id, a name for it; taken, whether that was
-- handed out before.
-- Inputs: records; claimed (ids_claimed.sql); identity_map; aliases; refused (cluster), those still without a name.
-- Parameters: $names, the UUID (32 hexadecimal digits) under which customers are named; $generation.
-- The id is the UUIDv5 (RFC 9562) of the cluster's first entity and the generation, joined by the unit separator.
WITH named AS (
    SELECT r.cluster,
           sha1(from_hex($names) || encode(concat_ws(chr(31), r.service, $generation, r.entity))) AS name
    FROM records r
    WHERE r.code = r.cluster
      AND r.cluster NOT IN (SELECT cluster FROM claimed WHERE keeps)
      AND ($generation = '0' OR r.cluster IN (SELECT cluster FROM refused))
),
ids AS MATERIALIZED (
    SELECT cluster,
           name[1:8] || '-' || name[9:12] || '-5' || name[14:16]
               || '-' || translate(name[17], '0123456789abcdef', '89ab89ab89ab89ab') || name[18:20]
               || '-' || name[21:32] AS id
    FROM named
),
handed_out AS (
    SELECT m.customer_id AS id FROM identity_map m SEMI JOIN ids i ON i.id = m.customer_id
    UNION
    SELECT a.old_customer_id FROM aliases a SEMI JOIN ids i ON i.id = a.old_customer_id
)
SELECT i.cluster, i.id, h.id IS NOT NULL AS taken
FROM ids i LEFT JOIN handed_out h ON h.id = i.id
