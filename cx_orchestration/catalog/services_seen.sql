-- Grain: one value of one evidence attribute, per service whose data holds it. Keys: service, attribute, reading, value.
-- Columns: service, attribute, reading ('host' or 'name'), value (a host without port, or a name, in lower case),
--   seen (distinct events and profiles that hold it).
-- Inputs: events (integration/events), profiles (identity/profiles).
-- Parameters: $names (attributes that are evidence), $paths (their JSON paths, in the same order), $hosts (those of them
--   that hold an address).
WITH said AS (
    SELECT
        service,
        event_id AS fact,
        unnest($names) AS attribute,
        lower(trim(unnest(json_extract_string(attributes, $paths)))) AS content
    FROM events
    UNION ALL
    SELECT
        service,
        entity AS fact,
        unnest($names) AS attribute,
        lower(trim(unnest(json_extract_string(attributes, $paths)))) AS content
    FROM profiles
),

read_as AS (
    SELECT
        service,
        fact,
        attribute,
        CASE
            WHEN list_contains($hosts, attribute) OR position('://' IN content) > 0 THEN 'host'
            ELSE 'name'
        END AS reading,
        content
    FROM said
    WHERE content IS NOT NULL AND content <> ''
)

SELECT
    service,
    attribute,
    reading,
    -- Of an address only the host: path, parameters, fragment and user may tell of a person. The pattern matches
    -- any text; nested split_part costs twice as much.
    CASE
        WHEN reading = 'host' THEN regexp_extract(content, '^(?:[a-z][a-z0-9+.-]*://)?(?:[^/?#@]*@)?([^/?#:]*)', 1)
        ELSE content
    END AS value,
    count(DISTINCT fact) AS seen
FROM read_as
WHERE reading = 'host' OR length(content) <= 60 -- a longer text names no system
GROUP BY 1, 2, 3, 4
ORDER BY service, attribute, reading, value
