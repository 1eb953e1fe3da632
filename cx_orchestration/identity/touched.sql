-- Grain: one entity whose exact links have to be looked at. Keys: service, entity.
-- Inputs: changed (identity/profiles_changed); holders (holders.sql); key_values (key_values.sql). A value that linked
-- nobody and links nobody touches nobody, however many hold it.
SELECT service, entity FROM changed
UNION
SELECT h.service, h.entity
FROM holders h
SEMI JOIN (
    SELECT code FROM key_values WHERE changed AND (verdict = 'links' OR was = 'links')
) AS v ON v.code = h.code
