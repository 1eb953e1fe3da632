-- Grain: one value that several entities hold, of a key that links or could.
-- Keys: code. Columns: code, namespace, digest, entities, names, verdict, why, fingerprint; was (the verdict of the run
-- before), since_then (since when it was so), changed (whether anything is otherwise than then).
-- Inputs: holders (holders.sql); namespaces (namespace, strength, max_entities, max_names, needs_authenticated, rules: a
-- digest of them all); role_mailboxes (namespace, mailbox); previous, the key values as the run before left them.
-- A value is generic that more entities hold than its namespace allows, unless one person is so well known: all who give
-- a name give the same, in few spellings (counted by their hash, about right is enough), and half do. Devices on which
-- accounts of one service signed in are shared.
WITH counted AS (
    SELECT code, any_value(namespace) AS namespace, any_value(value) AS value, count(*) AS entities,
           count(given) AS named,
           bit_count(bit_or(CASE WHEN given IS NULL THEN 0 ELSE 1::INTEGER << given END))::BIGINT AS names,
           bit_count(bit_or(CASE WHEN word IS NULL THEN 0 ELSE 1::BIGINT << (hash(word) % 62)::INTEGER END)) AS spellings,
           bit_count(bit_or(CASE WHEN family IS NULL THEN 0 ELSE 1::INTEGER << family END)) AS families,
           count(CASE WHEN authenticated THEN 1 ELSE NULL END) AS signed_in,
           count(DISTINCT CASE WHEN authenticated THEN service ELSE NULL END) AS signed_in_at,
           bit_xor(hash(service, entity, word, family, first_seen, last_seen, authenticated, signature)) AS holders
    FROM holders
    GROUP BY code
),
judged AS (
    SELECT c.*, n.rules,
           CASE
               WHEN r.mailbox IS NOT NULL THEN 'a mailbox of a function'
               WHEN c.names > n.max_names THEN 'used by people of more than ' || n.max_names || ' names'
               WHEN c.entities > n.max_entities AND NOT (
                   c.names = 1 AND c.spellings <= 20 AND c.families <= 2 AND 2 * c.named >= c.entities
               )
                   THEN 'shared by more than ' || n.max_entities || ' entities'
               ELSE NULL
           END AS generic,
           CASE
               WHEN n.strength = 'household' THEN 'shared by a household'
               WHEN n.needs_authenticated AND c.signed_in > c.signed_in_at THEN 'a device of several accounts'
               ELSE NULL
           END AS shared
    FROM counted c
    JOIN namespaces n ON n.namespace = c.namespace
    LEFT JOIN role_mailboxes r ON r.namespace = c.namespace AND r.mailbox = split_part(c.value, '@', 1)
),
named AS (
    SELECT code, namespace, digest_of(namespace, value) AS digest, entities, names,
           CASE WHEN generic IS NOT NULL THEN 'generic' WHEN shared IS NOT NULL THEN 'shared' ELSE 'links' END AS verdict,
           coalesce(generic, shared, '') AS why,
           xor(holders, hash(rules))::VARCHAR AS fingerprint
    FROM judged
)
SELECT v.code, v.namespace, v.digest, v.entities, v.names, v.verdict, v.why, v.fingerprint,
       p.verdict AS was, p.since AS since_then, p.fingerprint IS DISTINCT FROM v.fingerprint AS changed
FROM named v
LEFT JOIN previous p ON p.namespace = v.namespace AND p.digest = v.digest
