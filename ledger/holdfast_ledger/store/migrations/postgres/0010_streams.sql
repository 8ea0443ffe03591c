-- How far streams of events were taken in: moved in the transaction that takes their events in.
-- SQLite's format 11.

CREATE TABLE stream_offsets (
    group_id TEXT COLLATE "C" NOT NULL,
    topic TEXT COLLATE "C" NOT NULL,
    partition BIGINT NOT NULL,
    -- Of the first message that was not taken in.
    next_offset BIGINT NOT NULL,
    PRIMARY KEY (group_id, topic, partition)
);
