-- Grain: one block that an entity is in, of a rule that is of use. Keys: block, unique_id. Columns: block (that of
-- blocks.sql, but for its last 7 bits, which are the cap: how many entities it may have), unique_id, changed.
-- Inputs: blocks (blocks.sql); caps (rule, cap).
SELECT b.block - b.block % 128 + c.cap AS block, b.unique_id, b.changed
FROM blocks b JOIN caps c ON c.rule = b.rule
