-- The dimensions that the rows of an hour have, by table.
CREATE TABLE IF NOT EXISTS dimension_hours (
    -- Unix time in hours.
    hour UInt32 CODEC(Delta, ZSTD),
    -- At which a part of it begins: hours in which days of some zones begin are summed by part.
    minute UInt8 CODEC(T64, ZSTD),
    -- Of the time that the hour was summed: `rollup_rolls` says which one counts.
    roll UInt64 CODEC(Delta, ZSTD),
    -- Rows of what it sums.
    row_count UInt64 CODEC(T64, ZSTD),
    fact LowCardinality(String),
    name LowCardinality(String)
) ENGINE = MergeTree
PARTITION BY intDiv(hour, 8766)
ORDER BY (hour, roll)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
