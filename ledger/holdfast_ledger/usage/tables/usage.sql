-- One row a quantity of a meter: of a debit, of an event, or what the figure of a metered period rose or fell by.
-- What is taken back is a row of its own, below zero.
CREATE TABLE IF NOT EXISTS usage (
    -- Names the row among those of its day, account, meter and source.
    row_id UInt64,
    batch_no UInt64,
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    posted_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    account_id LowCardinality(String),
    -- The pool that paid; empty: none.
    pool_id LowCardinality(String),
    meter_id LowCardinality(String),
    quantity Int64 CODEC(T64, ZSTD),
    -- "debit", "event", "void" (an event that was taken back) or "metered".
    source LowCardinality(String),
    subject LowCardinality(String),
    -- How they are told: a JSON object of strings.
    dimensions_json String EPHEMERAL '',
    dimensions Map(LowCardinality(String), String) DEFAULT JSONExtract(dimensions_json, 'Map(String, String)'),
    -- 0: not of a debit.
    debit_key UInt64 CODEC(Delta, ZSTD),
    operation_id String,
    hold_id String,
    sidecar_id LowCardinality(String),
    -- Who made the call: of an event where that is not known, the origin of its batch.
    caller LowCardinality(String),
    -- Empty: not of an event.
    event_source LowCardinality(String),
    event_id String,
    subject_1 LowCardinality(String) MATERIALIZED splitByChar('/', subject)[1],
    subject_2 LowCardinality(String) MATERIALIZED splitByChar('/', subject)[2],
    subject_3 LowCardinality(String) MATERIALIZED splitByChar('/', subject)[3],
    subject_4 LowCardinality(String) MATERIALIZED splitByChar('/', subject)[4],
    subject_5 LowCardinality(String) MATERIALIZED splitByChar('/', subject)[5],
    subject_6 LowCardinality(String) MATERIALIZED splitByChar('/', subject)[6],
    subject_7 LowCardinality(String) MATERIALIZED splitByChar('/', subject)[7],
    subject_8 LowCardinality(String) MATERIALIZED splitByChar('/', subject)[8]
) ENGINE = ReplacingMergeTree(batch_no)
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), account_id, meter_id, source, row_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
