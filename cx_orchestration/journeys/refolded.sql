-- Grain and columns: those of journeys/steps, or journeys/instances, in the weeks that can have changed.
-- Inputs: kept (the rows there were in these weeks), anew (all rows of the customers folded anew), keys (customer_key
--   of these customers). Parameters: $first, the first week that can have changed; $still_open, the week of open ones.
SELECT k.*
FROM kept AS k
WHERE CAST('0x' || substr(md5(k.customer_id), 4, 15) AS BIGINT) NOT IN (SELECT customer_key FROM keys)
UNION ALL BY NAME
SELECT a.*
FROM anew AS a
WHERE a.week >= $first OR a.week = $still_open
ORDER BY journey, week
