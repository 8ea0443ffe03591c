-- The rows of `events` of the turn under way; emptied by the next one.
CREATE TABLE IF NOT EXISTS judged (
    batch_key UInt64,
    position UInt32,
    batch_no UInt64,
    outcome LowCardinality(String),
    name_hash UInt128,
    content_hash UInt128,
    account_id LowCardinality(String),
    source LowCardinality(String),
    id String,
    type LowCardinality(String),
    time DateTime64(3, 'UTC'),
    accepted_at DateTime64(3, 'UTC'),
    subject LowCardinality(String),
    dimensions Map(LowCardinality(String), String),
    quantities Map(LowCardinality(String), Int64),
    corrects_id String,
    `charges.meter_id` Array(LowCardinality(String)),
    `charges.quantity` Array(Int64),
    `charges.amount` Array(Int64),
    `charges.operation_id` Array(String),
    `charges.pool_id` Array(LowCardinality(String)),
    origin LowCardinality(String),
    caller LowCardinality(String)
) ENGINE = MergeTree
ORDER BY (batch_key, position, outcome)
