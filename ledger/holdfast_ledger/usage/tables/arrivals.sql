-- The events of the turn under way, as they came; emptied by the next one.
CREATE TABLE IF NOT EXISTS arrivals (
    batch_key UInt64,
    position UInt32,
    batch_no UInt64,
    origin LowCardinality(String),
    caller String,
    account_id String,
    -- 0: there was no such account when it was taken in.
    known UInt8,
    source String,
    id String,
    type LowCardinality(String),
    time_ms Int64,
    accepted_at_ms Int64,
    subject String,
    corrects_id String,
    void UInt8,
    dimensions Map(LowCardinality(String), String),
    quantities Map(LowCardinality(String), Int64),
    `charges.meter_id` Array(LowCardinality(String)),
    `charges.quantity` Array(Int64),
    `charges.amount` Array(Int64),
    `charges.operation_id` Array(String),
    `charges.pool_id` Array(LowCardinality(String)),
    name_hash UInt128 MATERIALIZED reinterpretAsUInt128(SHA256(concat(
        toString(length(account_id)), ':', account_id, toString(length(source)), ':', source, id))),
    corrects_hash UInt128 MATERIALIZED reinterpretAsUInt128(SHA256(concat(
        toString(length(account_id)), ':', account_id, toString(length(source)), ':', source, corrects_id))),
    content_hash UInt128 MATERIALIZED reinterpretAsUInt128(SHA256(concat(
        toString(length(type)), ':', type, toString(length(subject)), ':', subject,
        toString(length(corrects_id)), ':', corrects_id, toString(time_ms), toString(dimensions),
        toString(quantities))))
) ENGINE = MergeTree
ORDER BY (batch_key, position)
