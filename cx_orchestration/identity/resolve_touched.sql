-- Grain: one entity whose customer may be another than the map says.
-- Keys: service, entity.
-- Inputs: profiles; identity_map; entries, those that the ledger got since the map was made; unique_now, unique_then
-- (service, entity, namespace, digest), the values that only one person can have, now and when the map was made; bare
-- (resolve_bare.sql).
SELECT coalesce(p.service, m.service) AS service, coalesce(p.entity, m.entity) AS entity
FROM profiles p FULL JOIN identity_map m ON m.service = p.service AND m.entity = p.entity
WHERE m.entity IS NULL OR p.entity IS NULL
UNION
SELECT left_service, left_entity FROM entries
UNION
SELECT right_service, right_entity FROM entries
UNION
SELECT n.service, n.entity
FROM unique_now n ANTI JOIN unique_then t
  ON t.service = n.service AND t.entity = n.entity AND t.namespace = n.namespace AND t.digest = n.digest
UNION
SELECT t.service, t.entity
FROM unique_then t ANTI JOIN unique_now n
  ON t.service = n.service AND t.entity = n.entity AND t.namespace = n.namespace AND t.digest = n.digest
UNION
SELECT b.service, b.entity
FROM bare b ANTI JOIN (SELECT service, entity FROM identity_map WHERE is_bare) AS m
  ON m.service = b.service AND m.entity = b.entity
UNION
SELECT m.service, m.entity
FROM identity_map m ANTI JOIN bare b ON b.service = m.service AND b.entity = m.entity
WHERE m.is_bare
