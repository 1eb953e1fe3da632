-- Load tests of a service as it is declared now, long and hard enough to count and no easier than its history, newest first.
-- Grain: one load test. Key: service, tested_at. Columns: all of integration/load_tests.
-- Inputs: load_tests (integration/load_tests). Parameters: service, declaration, factor, seconds, records.
SELECT *
FROM load_tests
WHERE service = $service AND declaration = $declaration AND factor >= $factor AND seconds >= $seconds
    AND offered >= $records AND peak_per_hour >= coalesce(known_per_hour, 0)
ORDER BY tested_at DESC
