-- The feeder's turns: how far each went in the ledger's tables. A turn is planned before its rows go in and complete
-- after, so that one that was interrupted is repeated as it was, under the same number.
CREATE TABLE IF NOT EXISTS feed_turns (
    batch_no UInt64,
    complete UInt8,
    entry_key UInt64,
    debit_key UInt64,
    event_batch_key UInt64,
    -- Of the changes of metered periods.
    change_key UInt64,
    -- Up to when the ledger's postings are in the store.
    complete_until DateTime64(3, 'UTC'),
    -- Of the ledger's history: another one after it was restored; and its last entry and debit in short.
    generation UInt64,
    anchor String,
    -- Rows of all turns so far: fewer in the tables were lost.
    spend_count UInt64,
    usage_count UInt64,
    event_count UInt64
) ENGINE = ReplacingMergeTree(batch_no)
ORDER BY (batch_no, complete)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, fsync_after_insert = 1,
    fsync_part_directory = 1
