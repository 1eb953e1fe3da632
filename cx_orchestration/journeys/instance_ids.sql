-- Grain: one journey instance, in the order of the input. Column: digest, which ``model.uuid5`` lays out as its id.
-- Input: begun (customer_id, event_id of the first event, type of that event if it is what a micro journey did, else '').
-- Parameters: $namespace (a UUID's 32 hexadecimal digits), $journey.
-- The name is journey, customer and first event, with that type where there is one, joined by the unit separator.
SELECT
    sha1(from_hex($namespace) || encode(
        concat($journey, chr(31), customer_id, chr(31), event_id, CASE WHEN type = '' THEN '' ELSE chr(31) END, type)
    )) AS digest
FROM begun
