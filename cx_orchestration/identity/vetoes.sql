-- Grain: one entity and one namespace whose values only one person can have. Keys: service, entity, namespace.
-- Columns: the keys, digest (of the entity's value). Entities of one customer have at most one digest a namespace.
-- Inputs: keys; namespaces (namespace, is_unique). An entity with several values shows that one person can have them,
-- so it forbids nothing.
SELECT k.service, k.entity, k.namespace, digest_of(k.namespace, min(k.value)) AS digest
FROM keys k JOIN namespaces n ON n.namespace = k.namespace AND n.is_unique
GROUP BY k.service, k.entity, k.namespace
HAVING count(*) = 1
