-- Hours that were summed, and up to which of the feeder's turns: written after the sums are. The latest counts.
CREATE TABLE IF NOT EXISTS rollup_rolls (
    fact LowCardinality(String),
    -- Unix time in hours.
    hour UInt32,
    batch_no UInt64,
    roll UInt64,
    -- With a column of their own that the sums are kept by.
    dimensions Array(LowCardinality(String)),
    rolled_at DateTime64(3, 'UTC')
) ENGINE = MergeTree
ORDER BY (fact, hour, roll)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
