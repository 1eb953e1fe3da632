-- Grain: one pair of entities that a shared value links, under the rule of its namespace.
-- Keys: left_service, left_entity, right_service, right_entity, rule; left sorts before right.
-- Columns: those of ledger.WANTED.
-- Inputs: named (named_holders.sql), the holders of the values that link; namespaces (namespace, valid_for_days,
-- needs_authenticated); settings, one row: weight (of a link), clique (how many holders at most are linked all with all).
-- Where the holders have several given names, those of one name are linked with each other, and those of whom the value
-- does not tell which it is with nobody. Many holders are linked to one of them, the hub, those with
-- the same values of unique keys to a hub of their own, so that two persons do not tear each other apart. Where a value
-- passes on, each of many is linked to the one before him who was seen last.
WITH members AS (
    SELECT h.code, h.digest, h.namespace, h.service, h.entity, h.first_seen, h.last_seen, h.authenticated, h.signature,
           h.name, n.valid_for_days, n.needs_authenticated
    FROM named h
    JOIN namespaces n ON n.namespace = h.namespace
    WHERE h.name IS NOT NULL
),
sizes AS (
    SELECT code, name, count(*) AS size FROM members GROUP BY code, name HAVING count(*) > 1
),
few AS (
    SELECT m.* FROM members m JOIN sizes s ON s.code = m.code AND s.name = m.name AND s.size <= (SELECT clique FROM settings)
),
many AS (
    SELECT m.*,
           row_number() OVER by_signature AS position,
           arg_max({service: m.service, entity: m.entity, last_seen: m.last_seen}, (m.last_seen, m.service, m.entity)) OVER (
               PARTITION BY m.code, m.name ORDER BY m.first_seen NULLS LAST, m.service, m.entity
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS before
    FROM members m JOIN sizes s ON s.code = m.code AND s.name = m.name AND s.size > (SELECT clique FROM settings)
    WINDOW by_signature AS (
        PARTITION BY m.code, m.name, m.signature
        ORDER BY m.needs_authenticated AND NOT m.authenticated, m.first_seen NULLS LAST, m.service, m.entity
    )
),
hubs AS (
    SELECT *,
           row_number() OVER (
               PARTITION BY code, name
               ORDER BY needs_authenticated AND NOT authenticated, first_seen NULLS LAST, service, entity
           ) AS rank,
           count(*) OVER (PARTITION BY code, name) AS hubs
    FROM many
    WHERE position = 1 AND valid_for_days IS NULL
),
pairs AS (
    SELECT a.digest, a.namespace, a.service AS one_service, a.entity AS one_entity, b.service, b.entity
    FROM few a
    JOIN few b ON b.code = a.code AND b.name = a.name
              AND (a.service < b.service OR (a.service = b.service AND a.entity < b.entity))
    WHERE (NOT a.needs_authenticated OR a.authenticated OR b.authenticated)
      AND (a.valid_for_days IS NULL OR NOT coalesce(
          greatest(a.first_seen, b.first_seen) - least(a.last_seen, b.last_seen) > to_days(a.valid_for_days::INTEGER), false
      ))
    UNION ALL
    SELECT m.digest, m.namespace, h.service, h.entity, m.service, m.entity
    FROM many m JOIN hubs h ON h.code = m.code AND h.name = m.name AND h.signature = m.signature
    WHERE m.position > 1 AND (NOT m.needs_authenticated OR h.authenticated OR m.authenticated)
    UNION ALL
    SELECT a.digest, a.namespace, a.service, a.entity, b.service, b.entity
    FROM hubs a JOIN hubs b ON b.code = a.code AND b.name = a.name AND a.rank < b.rank
    WHERE (a.rank = 1 OR a.hubs <= (SELECT clique FROM settings)) AND (NOT a.needs_authenticated OR a.authenticated OR b.authenticated)
    UNION ALL
    SELECT digest, namespace, before.service, before.entity, service, entity
    FROM many
    WHERE valid_for_days IS NOT NULL AND before IS NOT NULL
      AND NOT coalesce(first_seen - before.last_seen > to_days(valid_for_days::INTEGER), false)
),
compared AS (
    SELECT *, one_service < service OR (one_service = service AND one_entity < entity) AS in_order FROM pairs
),
turned AS (
    SELECT CASE WHEN in_order THEN one_service ELSE service END AS left_service,
           CASE WHEN in_order THEN one_entity ELSE entity END AS left_entity,
           CASE WHEN in_order THEN service ELSE one_service END AS right_service,
           CASE WHEN in_order THEN entity ELSE one_entity END AS right_entity,
           namespace, digest
    FROM compared
)
SELECT left_service, left_entity, right_service, right_entity, 'exact:' || namespace AS rule,
       (SELECT weight FROM settings) AS match_weight,
       '{"namespace":"' || namespace || '","digests":["' || array_to_string(list_sort(list(digest)), '","') || '"]}' AS evidence,
       NULL::VARCHAR AS model_version
FROM turned
GROUP BY left_service, left_entity, right_service, right_entity, namespace
