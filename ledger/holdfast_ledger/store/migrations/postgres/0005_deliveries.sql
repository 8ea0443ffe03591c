-- Events that are deleted after some time, deliveries that are tried again, counts that outlast both.
-- SQLite's format 6.

-- From when its age counts: of the event, or of the latest retry.
ALTER TABLE deliveries ADD COLUMN since_ms BIGINT NOT NULL DEFAULT 0;
UPDATE deliveries d SET since_ms = e.created_at_ms FROM events e WHERE e.event_key = d.event_key;
ALTER TABLE deliveries ALTER COLUMN since_ms DROP DEFAULT;
-- For the sweep that deletes them.
CREATE INDEX events_by_age ON events (created_at_ms);
CREATE INDEX deliveries_dead ON deliveries (webhook_key, delivery_key) WHERE state = 3;
CREATE INDEX deliveries_of_event ON deliveries (event_key);

-- All events ever made, by type.
CREATE TABLE event_counts (
    type TEXT COLLATE "C" PRIMARY KEY,
    made_count BIGINT NOT NULL
);
INSERT INTO event_counts (type, made_count) SELECT type, count(*) FROM events GROUP BY type;

CREATE INDEX corrections_of_account ON corrections (account_key, correction_key);
