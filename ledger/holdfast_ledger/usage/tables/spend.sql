-- One row a journal line that moves what debits spent: the credits, and the cost of the grants that paid them. The key
-- of the line is its name, so that what is fed twice counts once.
CREATE TABLE IF NOT EXISTS spend (
    entry_key UInt64,
    -- Of the feeder's turn that brought the row; a snapshot is the highest that was complete.
    batch_no UInt64,
    -- When it was spent: the debit's settling, between 35 days before its posting and its posting.
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    posted_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    account_id LowCardinality(String),
    pool_id LowCardinality(String),
    currency LowCardinality(String),
    -- Empty: overdraft.
    grant_id LowCardinality(String),
    -- "paid", "promotional" or "overdraft".
    category LowCardinality(String),
    -- "product" of the grant's metadata; the pool's id where there is none.
    product LowCardinality(String),
    -- As EntryType.
    entry_type UInt8,
    -- Minor units spent; below zero: given back; 0: a grant repaid what was overdraft when it was spent.
    amount Int64 CODEC(T64, ZSTD),
    -- What was recognised of the grant's cost: after each line of a grant floor(cost * burned / amount) in all.
    cost_amount Int64 CODEC(T64, ZSTD),
    cost_currency LowCardinality(String),
    subject LowCardinality(String),
    -- How they are told: a JSON object of strings.
    dimensions_json String EPHEMERAL '',
    dimensions Map(LowCardinality(String), String) DEFAULT JSONExtract(dimensions_json, 'Map(String, String)'),
    -- 1: the first line of a debit, which is counted by it; 0: another one, or of a debit that was made of events
    -- (they are counted themselves).
    debit_count UInt8 CODEC(T64, ZSTD),
    -- 0: of no debit.
    debit_key UInt64 CODEC(Delta, ZSTD),
    -- Empty: not a correction.
    correction_id String,
    operation_id String,
    hold_id String,
    sidecar_id LowCardinality(String),
    -- Who made the call; empty: not known.
    caller LowCardinality(String),
    epoch UInt64 CODEC(T64, ZSTD),
    sequence UInt64 CODEC(Delta, ZSTD),
    late UInt8,
    estimated UInt8,
    over_hold_amount Int64 CODEC(T64, ZSTD),
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
ORDER BY (toDate(time), account_id, entry_key)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
