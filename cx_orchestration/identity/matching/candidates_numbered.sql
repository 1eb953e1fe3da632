-- Grain and columns: those of candidates.sql, by the numbers of paired.sql.
-- Inputs: candidates; paired.
SELECT least(l.unique_id, r.unique_id) AS join_key_l, greatest(l.unique_id, r.unique_id) AS join_key_r, c.match_key
FROM candidates c
JOIN paired l ON l.former_id = c.join_key_l
JOIN paired r ON r.former_id = c.join_key_r
