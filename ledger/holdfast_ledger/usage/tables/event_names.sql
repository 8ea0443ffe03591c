-- The first event of each name, so that it counts once: small, and found by its hash.
CREATE TABLE IF NOT EXISTS event_names (
    name_hash UInt128,
    content_hash UInt128,
    batch_no UInt64,
    account_id LowCardinality(String),
    time DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(batch_no)
ORDER BY name_hash
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, fsync_after_insert = 1,
    fsync_part_directory = 1
