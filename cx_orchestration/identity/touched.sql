-- Grain: one entity whose exact links have to be looked at. Keys: service, entity.
-- Inputs: changes (changes.sql); holders (holders.sql); key_values (key_values.sql).
SELECT service, entity FROM changes
UNION
SELECT h.service, h.entity FROM holders h SEMI JOIN (SELECT code FROM key_values WHERE changed) AS v ON v.code = h.code
