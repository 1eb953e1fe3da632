-- Grain: one key that has a value to look at. Columns: those of identity/keys. Inputs: keys; looked_at (namespace, value).
SELECT k.* FROM keys k SEMI JOIN looked_at v ON v.namespace = k.namespace AND v.value = k.value
