-- What had burned of each grant after a turn of the feeder: where the next one goes on.
CREATE TABLE IF NOT EXISTS grant_burns (
    grant_key UInt64,
    batch_no UInt64,
    burned_amount Int64
) ENGINE = ReplacingMergeTree(batch_no)
ORDER BY grant_key
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, fsync_after_insert = 1,
    fsync_part_directory = 1
