-- Grain: one holder of a value that links. Keys: code, service, entity.
-- Columns: those of holders; digest; name (the same for holders whose given names are taken for one; null where the value
-- does not tell whose it is; 0 where names are not asked or all the same).
-- Inputs: holders (holders.sql); linking (code, digest, names: how many letters given names begin with); namespaces
-- (namespace, guards_names); settings, one row: alike (the least Jaro-Winkler similarity of two spellings of one name).
-- Names that begin with the same letter are one where they are spelt alike, directly or over others of the value, or
-- where one is the beginning of the other. What is the beginning of several names, such as an initial, is none of them.
WITH RECURSIVE words AS (
    SELECT DISTINCT h.code, h.given, h.word
    FROM holders h
    JOIN linking v ON v.code = h.code
    JOIN namespaces n ON n.namespace = h.namespace AND n.guards_names
    WHERE h.word IS NOT NULL
),
several AS (
    SELECT w.* FROM words w
    SEMI JOIN (SELECT code, given FROM words GROUP BY code, given HAVING count(*) > 1) s
      ON s.code = w.code AND s.given = w.given
),
two AS (
    SELECT a.code, a.word, b.word AS other
    FROM several a JOIN several b ON b.code = a.code AND b.given = a.given AND b.word <> a.word
),
beginnings AS (
    SELECT DISTINCT code, word FROM two WHERE starts_with(other, word)
),
whole AS (
    SELECT s.code, s.word FROM several s ANTI JOIN beginnings b ON b.code = s.code AND b.word = s.word
),
alike AS (
    SELECT t.code, t.word, t.other
    FROM two t
    SEMI JOIN whole a ON a.code = t.code AND a.word = t.word
    SEMI JOIN whole b ON b.code = t.code AND b.word = t.other
    WHERE jaro_winkler_similarity(t.word, t.other) >= (SELECT alike FROM settings)
),
reached AS (
    SELECT code, word, word AS first FROM whole
    UNION
    SELECT r.code, a.word, r.first FROM reached r JOIN alike a ON a.code = r.code AND a.other = r.word AND r.first < a.word
),
firsts AS (
    SELECT code, word, min(first) AS first FROM reached GROUP BY code, word
),
names AS (
    SELECT code, word, first FROM firsts
    UNION ALL
    SELECT b.code, b.word, CASE WHEN min(f.first) = max(f.first) THEN min(f.first) ELSE NULL END
    FROM beginnings b JOIN firsts f ON f.code = b.code AND starts_with(f.word, b.word)
    GROUP BY b.code, b.word
),
divided AS (
    SELECT code FROM firsts GROUP BY code HAVING min(first) < max(first)
)
SELECT h.*, v.digest,
       CASE
           WHEN NOT n.guards_names OR (v.names <= 1 AND d.code IS NULL) THEN 0
           WHEN h.word IS NULL OR (m.code IS NOT NULL AND m.first IS NULL) THEN NULL
           ELSE hash(coalesce(m.first, h.word))
       END AS name
FROM holders h
JOIN linking v ON v.code = h.code
JOIN namespaces n ON n.namespace = h.namespace
LEFT JOIN divided d ON d.code = h.code
LEFT JOIN names m ON m.code = h.code AND m.word = h.word
