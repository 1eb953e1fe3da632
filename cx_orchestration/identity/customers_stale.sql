-- Grain: one customer whose document is not made from what is known now: the inputs differ, it has none, or it has one
-- and is no customer any more. Sorted by bucket and customer_id.
-- Columns: customer_id, bucket, inputs (digest; null for a customer that is gone), rows (that the document is made from).
-- Inputs: identity_map; profiles (keys normalised); events; repeated (event_id, day), which report counts of the events
-- that several landed days report; documents (customer_id, inputs), as produced before.
-- Parameters: $made_by (digest of the rules and the text that make documents), $buckets.
-- A digest is a sum of hashes, so that it does not depend on the order of rows. It holds for one version of the engine:
-- after another one's first run every document was made anew, and says the same as before.
WITH said AS (
    SELECT e.service, e.entity, count(*) AS rows,
           sum(hash(e.event_id, e.type, e.occurred_at, e.stream, e.record_id, e.channel, e.amount, e.currency, e.score,
                    e.score_kind, e.attributes)::HUGEINT) AS total
    FROM events e LEFT JOIN repeated r ON r.event_id = e.event_id
    WHERE r.day IS NULL OR r.day = e.day
    GROUP BY e.service, e.entity
),
known AS (
    SELECT m.customer_id, 1 + coalesce(s.rows, 0) AS rows,
           hash(m.service, m.entity, m.since, coalesce(s.total, 0), p.keys, p.name, p.given_name, p.family_name,
                p.birth_date, p.street, p.postcode, p.city, p.country, p.attributes, p.updated_at)::HUGEINT AS part
    FROM identity_map m
    LEFT JOIN profiles p ON p.service = m.service AND p.entity = m.entity
    LEFT JOIN said s ON s.service = m.service AND s.entity = m.entity
),
now_known AS (
    SELECT customer_id, sum(rows)::BIGINT AS rows, $made_by || '-' || sum(part)::VARCHAR AS inputs
    FROM known
    GROUP BY customer_id
)
SELECT coalesce(n.customer_id, d.customer_id) AS customer_id,
       (('0x' || substr(md5(coalesce(n.customer_id, d.customer_id)), 1, 3))::INTEGER % $buckets)::INTEGER AS bucket,
       n.inputs, coalesce(n.rows, 0) AS rows
FROM now_known n FULL OUTER JOIN documents d ON d.customer_id = n.customer_id
WHERE n.inputs IS DISTINCT FROM d.inputs OR n.customer_id IS NULL
ORDER BY bucket, customer_id
