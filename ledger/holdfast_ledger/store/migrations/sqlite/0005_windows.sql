-- Windows: what may be used of a budget in a period, of a shared concurrency limit or of a shared rate limit. A window
-- is a row of pools, so that it is leased as one: granted_total is its limit, spent_total what is used of it now.

ALTER TABLE pools ADD COLUMN is_window INTEGER NOT NULL DEFAULT 0;
-- The pools of an account, however many windows it has.
CREATE INDEX pools_of_account ON pools (account_key, pool_key) WHERE is_window = 0;

CREATE TABLE windows (
    pool_key INTEGER PRIMARY KEY REFERENCES pools,
    -- The budget or limit, and which of them: 1 budget, 2 concurrency limit, 3 rate limit.
    rule_id TEXT NOT NULL,
    kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
    subject TEXT NOT NULL,
    -- 0: sidecars only name it in debits (SOFT budgets).
    leased INTEGER NOT NULL,
    -- Of the period; 0 and never: it has none.
    starts_at_ms INTEGER NOT NULL,
    ends_at_ms INTEGER NOT NULL,
    -- 0: it is not a rolling one.
    rolling_ms INTEGER NOT NULL,
    -- Shares of the limit, in basis points, at which an event is made: a JSON list, ascending.
    alert_bps TEXT NOT NULL,
    -- The largest of them for which it was made, and how many were made in all.
    alerted_bps INTEGER NOT NULL,
    alert_count INTEGER NOT NULL,
    -- All spending that has left a rolling period; spent_total is less it.
    left_total INTEGER NOT NULL CHECK (left_total >= 0),
    -- 1: the rule is deleted, or has other periods now.
    closed INTEGER NOT NULL,
    -- When the sweep has to touch it next.
    due_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX windows_due ON windows (due_at_ms) WHERE due_at_ms < 9223372036854775807;

-- What was spent against rolling windows, by the step in which it was posted.
CREATE TABLE window_buckets (
    pool_key INTEGER NOT NULL REFERENCES pools,
    ends_at_ms INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (pool_key, ends_at_ms)
) STRICT, WITHOUT ROWID;

-- Keys of the windows that a debit counted against: a JSON list; empty: none.
ALTER TABLE debits ADD COLUMN windows TEXT NOT NULL DEFAULT '';
ALTER TABLE duplicate_debits ADD COLUMN windows TEXT NOT NULL DEFAULT '';
-- What was used, by meter: a JSON object of numbers; empty: not told.
ALTER TABLE debits ADD COLUMN quantities TEXT NOT NULL DEFAULT '';

-- Events of budgets have no pool. SQLite cannot change a NOT NULL, so the table is made anew. Keys stay.
CREATE TABLE new_events (
    event_key INTEGER PRIMARY KEY,
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
DROP TABLE events;
ALTER TABLE new_events RENAME TO events;
CREATE INDEX events_of_account ON events (account_key, event_key);
-- For the check, when a window's row is deleted, that no event refers to it.
CREATE INDEX events_of_pool ON events (pool_key);
