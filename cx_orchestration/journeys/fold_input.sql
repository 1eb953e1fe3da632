-- Grain: one event of journeys/sequences before $as_of, in its order: customer_id, occurred_at, event_id.
-- Columns: customer_id, event_id, type, channel, occurred_at; at (microseconds since 1970);
--   amount in ten-thousandths of $currency, 0 without one; in_other_currency; and what guards may ask of an event:
--   money (its amount, in whatever currency), currency, score, score_kind, attributes.
-- Input: sequences (journeys/sequences, or one bucket of it). Parameters: $as_of, $currency.
SELECT
    customer_id,
    event_id,
    type,
    channel,
    occurred_at,
    epoch_us(occurred_at) AS at,
    CASE
        WHEN currency = $currency AND amount IS NOT NULL THEN CAST(CAST(amount AS DECIMAL(28, 4)) * 10000 AS BIGINT)
        ELSE 0
    END AS amount,
    CASE WHEN amount IS NOT NULL AND coalesce(currency, '') <> $currency THEN TRUE ELSE FALSE END AS in_other_currency,
    CAST(amount AS DOUBLE) AS money,
    currency,
    score,
    score_kind,
    attributes
FROM sequences
WHERE occurred_at < $as_of
