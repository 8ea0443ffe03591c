-- Events that are deleted after some time, deliveries that are tried again, counts that outlast both.
-- Both tables are made anew, so that no key of a deleted row is ever given out again: a page token is a key.

CREATE TABLE new_events (
    event_key INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    account_key INTEGER NOT NULL REFERENCES accounts,
    pool_key INTEGER REFERENCES pools,
    -- What is sent: a JSON object.
    body TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO new_events (event_key, event_id, type, account_key, pool_key, body, created_at_ms)
    SELECT event_key, event_id, type, account_key, pool_key, body, created_at_ms FROM events ORDER BY event_key;

-- One event to one webhook. state: 1 pending, 2 delivered, 3 dead (as DeliveryState). Whoever delivers moves next_at_ms
-- on first, by as long as it may take: that is the claim.
CREATE TABLE new_deliveries (
    delivery_key INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_key INTEGER NOT NULL REFERENCES webhooks,
    event_key INTEGER NOT NULL REFERENCES events,
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3),
    attempt_count INTEGER NOT NULL,
    next_at_ms INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    ended_at_ms INTEGER NOT NULL,
    -- From when its age counts: of the event, or of the latest retry.
    since_ms INTEGER NOT NULL,
    UNIQUE (webhook_key, event_key)
) STRICT;
INSERT INTO new_deliveries (delivery_key, webhook_key, event_key, state, attempt_count, next_at_ms, last_error,
    ended_at_ms, since_ms)
    SELECT delivery_key, webhook_key, event_key, state, attempt_count, next_at_ms, last_error, ended_at_ms,
    created_at_ms FROM deliveries JOIN events USING (event_key) ORDER BY delivery_key;

DROP TABLE deliveries;
DROP TABLE events;
ALTER TABLE new_events RENAME TO events;
ALTER TABLE new_deliveries RENAME TO deliveries;
CREATE INDEX events_of_account ON events (account_key, event_key);
-- For the check, when a window's row is deleted, that no event refers to it.
CREATE INDEX events_of_pool ON events (pool_key);
-- For the sweep that deletes them.
CREATE INDEX events_by_age ON events (created_at_ms);
CREATE INDEX deliveries_due ON deliveries (next_at_ms) WHERE next_at_ms < 9223372036854775807;
CREATE INDEX deliveries_dead ON deliveries (webhook_key, delivery_key) WHERE state = 3;
CREATE INDEX deliveries_of_event ON deliveries (event_key);

-- All events ever made, by type.
CREATE TABLE event_counts (
    type TEXT PRIMARY KEY NOT NULL,
    made_count INTEGER NOT NULL
) STRICT;
INSERT INTO event_counts (type, made_count) SELECT type, count(*) FROM events GROUP BY type;

CREATE INDEX corrections_of_account ON corrections (account_key, correction_key);
