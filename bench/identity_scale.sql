-- Grain: one made-up profile. Keys: service, entity. Columns: those of identity/profiles, keys as received; person, whose
-- it is.
-- Inputs: words (kind, rank, word): given names, family names, streets and towns, the commonest first; sizes, one row:
-- profiles (how many there were on the first night), persons, towns. Parameters: $profiles, how many there are now;
-- $night, 0 for the first; $shared, how many of them hold one phone number and one e-mail address of nobody.
-- Everything is drawn by hashes of what it belongs to, so that the same parameters give the same rows, and a night
-- changes 1 profile in 200.
WITH people AS (
    SELECT p AS person,
           -- One in two lives with others: under one address and most often one family name.
           CASE WHEN draw(p, 'alone') < 0.5 THEN p ELSE p // 3 * 3 END AS household
    FROM range((SELECT persons FROM sizes)) AS r(p)
),
traits AS (
    SELECT person, household,
           rank_of(draw(person, 'given'), 3000) AS given_rank,
           rank_of(draw(CASE WHEN draw(person, 'own name') < 0.1 THEN person + 0.5 ELSE household END, 'family'), 40000)
               AS family_rank,
           (DATE '1930-01-01' + (draw(person, 'birth') * 29000)::INTEGER) AS birth,
           rank_of(draw(household, 'street'), 20000) AS street_rank,
           1 + (draw(household, 'number') * 120)::INTEGER AS street_number,
           rank_of(draw(household, 'town'), (SELECT towns FROM sizes)) AS town_rank,
           CASE (draw(person, 'provider') * 4)::INTEGER
               WHEN 0 THEN 'gmail.com' WHEN 1 THEN 'outlook.com' WHEN 2 THEN 'bluewin.ch' ELSE 'posteo.example.net'
           END AS provider,
           79 * 10000000 + (draw(person, 'mobile') * 9999999)::BIGINT AS mobile,
           44 * 10000000 + 2000000 + (draw(household, 'landline') * 7999999)::BIGINT AS landline
    FROM people
),
named AS (
    SELECT t.*, g.word AS given, f.word AS family, s.word AS street, o.word AS town
    FROM traits t
    JOIN words g ON g.kind = 'given' AND g.rank = t.given_rank
    JOIN words f ON f.kind = 'family' AND f.rank = t.family_rank
    JOIN words s ON s.kind = 'street' AND s.rank = t.street_rank
    JOIN words o ON o.kind = 'town' AND o.rank = t.town_rank
),
records AS (
    SELECT i, (draw(i, 'person') * (SELECT persons FROM sizes))::BIGINT % (SELECT persons FROM sizes) AS person,
           CASE WHEN draw(i, 'service') < 0.4 THEN 'shop' WHEN draw(i, 'service') < 0.65 THEN 'crm'
                WHEN draw(i, 'service') < 0.85 THEN 'support' ELSE 'app' END AS service,
           -- What was typed into a record; a change types it again.
           i + CASE WHEN $night > 0 AND draw(i, 'changes ' || $night) < 0.005 THEN 0.25 ELSE 0 END AS typed
    FROM range($profiles) AS r(i)
),
written AS (
    SELECT r.i, r.service, r.typed, n.* EXCLUDE (given, family, street, town),
           CASE WHEN draw(r.typed, 'initial') < 0.03 THEN left(n.given, 1) || '.' ELSE slip(n.given, r.typed, 'given') END
               AS given,
           CASE WHEN draw(r.typed, 'married') < 0.01 THEN n.street ELSE slip(n.family, r.typed, 'family') END AS family,
           CASE WHEN draw(r.typed, 'birth wrong') < 0.02 THEN n.birth + 1 ELSE n.birth END AS born,
           slip(n.street, r.typed, 'street') AS street, slip(n.town, r.typed, 'town') AS town,
           strip_accents(lower(n.given || '.' || n.family)) || (n.person % 97) || '@' || n.provider AS email
    FROM records r JOIN named n ON n.person = r.person
),
keyed AS (
    SELECT *, list_filter([
        CASE
            WHEN i < $shared THEN {namespace: 'email', value: 'reception@callcentre.ch'}
            WHEN draw(typed, 'email') > 0.8 THEN NULL
            WHEN draw(typed, 'role') < 0.005 THEN {namespace: 'email', value: 'info@' || strip_accents(lower(family)) || '.ch'}
            WHEN draw(typed, 'tag') < 0.05
                THEN {namespace: 'email', value: replace(email, '@', '+' || service || '@')}
            WHEN draw(typed, 'case') < 0.2 THEN {namespace: 'email', value: ' ' || upper(email)}
            ELSE {namespace: 'email', value: slip(email, typed, 'email')}
        END,
        CASE
            WHEN i < $shared THEN {namespace: 'phone', value: '+41 44 555 12 12'}
            WHEN draw(typed, 'phone') > 0.7 THEN NULL
            WHEN draw(typed, 'call centre') < 0.01
                THEN {namespace: 'phone', value: '+41 44 700 10 0' || (i % 9)}
            WHEN draw(typed, 'nothing') < 0.01 THEN {namespace: 'phone', value: '+41 79 000 00 00'}
            ELSE {namespace: 'phone', value: dialled(
                CASE WHEN draw(typed, 'landline') < 0.3 THEN landline ELSE mobile END, draw(typed, 'how dialled')
            )}
        END,
        CASE WHEN service IN ('shop', 'app') AND draw(person, 'loyal') < 0.4 AND draw(typed, 'card') < 0.7
             THEN {namespace: 'loyalty', value: 'L-' || (10000000 + person)} ELSE NULL END
    ], lambda k: k IS NOT NULL) AS keys
    FROM written
)
SELECT service, service || '-' || (i * 7919 + 13) AS entity, person, keys,
       CASE WHEN service = 'support' THEN given || ' ' || family ELSE NULL END AS name,
       CASE WHEN service = 'support' THEN NULL ELSE given END AS given_name,
       CASE WHEN service = 'support' THEN NULL WHEN service = 'app' THEN upper(family) ELSE family END AS family_name,
       CASE WHEN draw(typed, 'no birth') < 0.3 THEN NULL
            WHEN service = 'shop' THEN strftime(born, '%d.%m.%Y')
            WHEN service = 'crm' THEN strftime(born, '%Y-%m-%d')
            WHEN service = 'app' THEN strftime(born, '%d %b %Y')
            ELSE strftime(born, '%d/%m/%y') END AS birth_date,
       CASE WHEN draw(typed, 'no street') < 0.3 THEN NULL
            WHEN service = 'crm' THEN street || 'strasse ' || street_number
            ELSE street || 'str. ' || street_number END AS street,
       CASE WHEN draw(typed, 'no postcode') < 0.2 THEN NULL ELSE (1000 + town_rank)::VARCHAR END AS postcode,
       CASE WHEN draw(typed, 'no town') < 0.2 THEN NULL ELSE town END AS city,
       'CH' AS country, '{}' AS attributes,
       TIMESTAMPTZ '2025-01-01 00:00:00+00' + to_minutes((draw(typed, 'updated') * 500000)::INTEGER) AS updated_at
FROM keyed
