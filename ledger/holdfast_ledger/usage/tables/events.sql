-- One row an event that arrived, whatever became of it: what metering and tracing read.
CREATE TABLE IF NOT EXISTS events (
    -- Of the batch, and the place in it: the name of the arrival.
    batch_key UInt64,
    position UInt32,
    batch_no UInt64,
    -- Of account, source and id: the name of the event.
    name_hash UInt64,
    -- Of all that the event says.
    content_hash UInt64,
    account_id LowCardinality(String),
    source LowCardinality(String),
    id String,
    type LowCardinality(String),
    -- When it happened; of a void, of the event that it takes back if that is known.
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    accepted_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    subject LowCardinality(String),
    dimensions Map(LowCardinality(String), String),
    quantities Map(LowCardinality(String), Int64),
    corrects_id String,
    -- "counted" (the first of its name), "duplicate", "conflict", "void" (takes the event of its name back),
    -- "voided" (it had been taken back before it came) or "void_again".
    outcome LowCardinality(String),
    -- What was debited for it before it came here.
    charges Nested (
        meter_id LowCardinality(String),
        quantity Int64,
        amount Int64,
        operation_id String,
        pool_id LowCardinality(String)
    ),
    origin LowCardinality(String)
) ENGINE = ReplacingMergeTree(batch_no)
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), account_id, type, batch_key, position)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
