-- Names of events that were taken back, whether they are known or not.
CREATE TABLE IF NOT EXISTS void_names (
    name_hash UInt128,
    batch_no UInt64
) ENGINE = ReplacingMergeTree(batch_no)
ORDER BY name_hash
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, fsync_after_insert = 1,
    fsync_part_directory = 1
