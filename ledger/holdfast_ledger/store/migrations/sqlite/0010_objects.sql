-- Objects taken in from object stores, each once.

-- One content of an object. state: 1 pending, 2 running, 3 done, 4 failed (as ObjectState). Whoever takes it in moves
-- due_at_ms on, again and again: that is the claim, and when the claimant is gone it is anybody's.
CREATE TABLE objects (
    object_key INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Name of its source in the ingest file, or of a single import.
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    -- What tells one content at a path from another: the store's ETag or, without one, size and time.
    version TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_at_ms INTEGER NOT NULL,
    found_at_ms INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    -- Pending: when it may be tried; running: when the claim ends; else it never comes.
    due_at_ms INTEGER NOT NULL,
    -- Who works at it, a random word; empty: nobody.
    claim TEXT NOT NULL,
    attempt_count INTEGER NOT NULL,
    -- When it was first claimed: its events were taken in then, however often it is tried. 0: never.
    began_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER NOT NULL,
    -- Rows behind us, good and bad: where the next attempt goes on.
    row_count INTEGER NOT NULL,
    bad_count INTEGER NOT NULL,
    -- The same in bytes: of the text, unpacked; of Parquet, of the file.
    byte_count INTEGER NOT NULL,
    error TEXT NOT NULL,
    UNIQUE (source, path, version)
) STRICT;
CREATE INDEX objects_due ON objects (due_at_ms, object_key) WHERE due_at_ms < 9223372036854775807;
CREATE INDEX objects_open ON objects (state, source, object_key) WHERE state <> 3;

-- What became of a source as a whole; kept beside its objects, so that looking costs nothing.
CREATE TABLE object_sources (
    source TEXT PRIMARY KEY NOT NULL,
    done_count INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    bad_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    -- The latest listing that came to its end; 0: none.
    listed_at_ms INTEGER NOT NULL,
    -- Why the latest listing did not; empty: it did.
    listing_error TEXT NOT NULL
) STRICT;
