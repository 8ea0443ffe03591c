-- Hours for which rows came, and the feeder's turn that brought the latest: written before the rows are. An hour that
-- is not here has none.
CREATE TABLE IF NOT EXISTS rollup_touches (
    fact LowCardinality(String),
    -- Unix time in hours.
    hour UInt32,
    batch_no UInt64
) ENGINE = ReplacingMergeTree(batch_no)
ORDER BY (fact, hour)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
