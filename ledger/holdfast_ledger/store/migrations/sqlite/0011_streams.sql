-- How far streams of events were taken in: moved in the transaction that takes their events in.

CREATE TABLE stream_offsets (
    group_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    -- Of the first message that was not taken in.
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (group_id, topic, partition)
) STRICT, WITHOUT ROWID;
