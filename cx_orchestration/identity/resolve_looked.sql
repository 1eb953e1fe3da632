-- Grain: one entry of the ledger between entities to look at. Columns: those of the ledger that tell links apart and why.
-- Inputs: ledger; present (service, entity). Only the left end is looked for: an entity has no link that counts to one
-- outside of its component, and components are looked at as a whole.
SELECT link_id, left_service, left_entity, right_service, right_entity, rule, match_weight, made_at, retracted_at,
       retracted_why
FROM ledger l
WHERE EXISTS (SELECT 1 FROM present p WHERE p.service = l.left_service AND p.entity = l.left_entity)
