-- Grain: one entity whose customer may be another than the map says.
-- Keys: service, entity.
-- Inputs: changed (identity/profiles_changed), states of profiles since the map was made; identity_map; entries, those that
-- the ledger got since then; unique_now, unique_then (service, entity, namespace, digest), the values that only one person
-- can have, now and then.
-- Whoever the map knows had a profile then.
WITH turned AS (
    SELECT service, entity, bool_or(is_there) AS is_there, coalesce(bool_or(is_bare), false) AS is_bare
    FROM changed
    GROUP BY service, entity
)
SELECT t.service, t.entity
FROM turned t LEFT JOIN identity_map m ON m.service = t.service AND m.entity = t.entity
WHERE t.is_there = (m.entity IS NULL) OR (t.is_there AND t.is_bare <> coalesce(m.is_bare, false))
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
