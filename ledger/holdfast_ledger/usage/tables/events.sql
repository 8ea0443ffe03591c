-- What became of each event that arrived: what metering and tracing read.
CREATE TABLE IF NOT EXISTS events (
    -- Of the batch, and the place in it.
    batch_key UInt64,
    position UInt32,
    batch_no UInt64,
    -- "counted": the first of its name. "duplicate", "conflict": others of its name, with the same content or another.
    -- "void": takes the event of its name back. "corrected": so does a counted event that corrects it, at its place.
    -- "void_again", "corrected_again": it had been taken back before.
    -- "unknown": there was no such account when it came; it does not count, nor keep others of its name from counting.
    -- "taken_back": the event that was counted, once more as it was, when it and what takes it back are both known.
    outcome LowCardinality(String),
    -- Of account, source and id: the name of the event.
    name_hash UInt128,
    -- Of all that the event says.
    content_hash UInt128,
    account_id LowCardinality(String),
    source LowCardinality(String),
    id String,
    type LowCardinality(String),
    -- When it happened; of a void, when it was taken in.
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    accepted_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    subject LowCardinality(String),
    dimensions Map(LowCardinality(String), String),
    quantities Map(LowCardinality(String), Int64),
    corrects_id String,
    -- What was debited for it before it came here, a place of these lists for each.
    `charges.meter_id` Array(LowCardinality(String)),
    `charges.quantity` Array(Int64),
    `charges.amount` Array(Int64),
    `charges.operation_id` Array(String),
    `charges.pool_id` Array(LowCardinality(String)),
    origin LowCardinality(String),
    -- Who reported it; where that is not known, the origin.
    caller LowCardinality(String),
    -- Metering asks for the latest batches.
    INDEX batch_keys batch_key TYPE minmax GRANULARITY 1
) ENGINE = ReplacingMergeTree(batch_no)
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), account_id, type, batch_key, position, outcome)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
