-- Grain: one record of one customer. Keys: service, entity. Columns: the keys, customer_id, since (it is this customer),
-- and those of the profile but its attributes; a record without a profile has nulls.
-- Inputs: identity_map, profiles. Parameter: $customer.
SELECT m.service, m.entity, m.customer_id, m.since, p.* EXCLUDE (service, entity, attributes)
FROM identity_map m LEFT JOIN profiles p ON p.service = m.service AND p.entity = m.entity
WHERE m.customer_id = $customer
ORDER BY m.service, m.entity
