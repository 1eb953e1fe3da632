-- Grain: one customer with an open instance that may have rested too long before $as_of (customer_key).
-- Inputs: instances (journeys/instances that are open), waits (journey, map_version, state, wait in microseconds).
SELECT DISTINCT CAST('0x' || substr(md5(i.customer_id), 4, 15) AS BIGINT) AS customer_key
FROM instances AS i
JOIN waits AS w ON w.journey = i.journey AND w.map_version = i.map_version AND w.state = i.state
WHERE epoch_us(i.last_step_at) + w.wait < $as_of
