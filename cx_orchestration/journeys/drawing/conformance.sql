-- Grain: one event type that deviated at one step of one journey (journey, step, type): it is on the map, but leads
--   nowhere from where the instance stood.
-- Columns: events; instances.
-- Input: steps (journeys/steps).
SELECT journey, to_state AS step, type, count(*) AS events, count(DISTINCT instance_id) AS instances
FROM steps
WHERE deviation
GROUP BY journey, to_state, type
ORDER BY journey, instances DESC, to_state, type
