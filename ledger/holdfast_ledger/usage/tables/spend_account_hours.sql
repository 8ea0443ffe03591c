-- What was spent in an hour by account, currency and kind of grant.
CREATE TABLE IF NOT EXISTS spend_account_hours (
    -- Unix time in hours.
    hour UInt32 CODEC(Delta, ZSTD),
    -- At which a part of it begins: hours in which days of some zones begin are summed by part.
    minute UInt8 CODEC(T64, ZSTD),
    -- Of the time that the hour was summed: `rollup_rolls` says which one counts.
    roll UInt64 CODEC(Delta, ZSTD),
    -- Rows of what it sums.
    row_count UInt64 CODEC(T64, ZSTD),
    amount Int128 CODEC(ZSTD),
    cost_amount Int128 CODEC(ZSTD),
    debit_count UInt64 CODEC(T64, ZSTD),
    account_id LowCardinality(String),
    currency LowCardinality(String),
    category LowCardinality(String),
    cost_currency LowCardinality(String)
) ENGINE = MergeTree
PARTITION BY intDiv(hour, 8766)
ORDER BY (account_id, hour, roll)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
