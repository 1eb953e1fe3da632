-- Grain: one customer at one step, and one segment, or one rule all of whose attributes are known of the customer
--   (journey, step, customer_id, segment, rule).
-- Columns: segment_value, empty where the customer does not fit the rule; rule, empty for a segment; counts, 0 where the
--   customer is among those on whom the rule was searched, who cannot test it.
-- Inputs: clusters (clusters.sql), conditions (journey, step, segment and rule as named, conditions of the rule together,
--   attribute, attribute_value, wanted 1 or 0, searched_until as in searched.sql), all conditions of a rule.
SELECT journey, step, customer_id, segment, segment_value, '' AS rule, 1 AS counts
FROM clusters
UNION ALL
SELECT
    c.journey, c.step, c.customer_id, r.segment,
    CASE
        WHEN sum(CASE WHEN c.segment_value = r.attribute_value THEN r.wanted ELSE 1 - r.wanted END) = count(*) THEN r.rule
        ELSE ''
    END,
    r.rule,
    CASE WHEN substr(md5(c.customer_id), 1, 8) < max(r.searched_until) THEN 0 ELSE 1 END
FROM clusters AS c
JOIN conditions AS r ON r.journey = c.journey AND r.step = c.step AND r.attribute = c.segment
GROUP BY c.journey, c.step, c.customer_id, r.segment, r.rule
HAVING count(*) = max(r.conditions)
