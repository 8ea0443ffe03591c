-- What is known of each event by its name, so that it counts once: small, and found by its hash.
CREATE TABLE IF NOT EXISTS event_names (
    name_hash UInt64,
    content_hash UInt64,
    -- 1: the event; 2: it was taken back.
    kind UInt8,
    batch_no UInt64,
    batch_key UInt64,
    position UInt32,
    time DateTime64(3, 'UTC'),
    accepted_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(batch_no)
ORDER BY (name_hash, kind)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, fsync_after_insert = 1,
    fsync_part_directory = 1
