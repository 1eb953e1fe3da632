-- Grain: one state of one customer of one service who is otherwise than before: as they are, as they were.
-- Keys: service, entity, is_there. Columns: those of identity/profiles_changed.
-- Inputs: came and went, profiles that are otherwise than all before them, and those that are no more.
SELECT service, entity, true AS is_there, keys,
       coalesce(name, given_name, family_name, birth_date, street, postcode, city) IS NULL AS is_bare
FROM came
UNION ALL
SELECT service, entity, false, keys, NULL
FROM went
