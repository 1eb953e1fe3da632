-- Grain: one entity and one namespace whose values only one person can have. Keys: service, entity, namespace.
-- Columns: the keys, digest (of the entity's value). Entities of one customer have at most one digest a namespace.
-- Inputs: keys; namespaces (namespace, is_unique). Parameter: $dates, the namespaces of dates. An entity with several
-- values shows that one person can have them, so it forbids nothing. A date whose day and month were swapped is the same
-- date: where the month is the larger number, the two change places.
SELECT k.service, k.entity, k.namespace, digest_of(k.namespace, min(
    CASE
        WHEN list_contains($dates, k.namespace) AND substr(k.value, 6, 2) > substr(k.value, 9, 2)
            THEN left(k.value, 5) || substr(k.value, 9, 2) || '-' || substr(k.value, 6, 2)
        ELSE k.value
    END
)) AS digest
FROM keys k JOIN namespaces n ON n.namespace = k.namespace AND n.is_unique
GROUP BY k.service, k.entity, k.namespace
HAVING count(*) = 1
