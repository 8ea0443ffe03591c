-- Windows: what may be used of a budget in a period, of a shared concurrency limit or of a shared rate limit. A window
-- is a row of pools, so that it is leased as one: granted_total is its limit, spent_total what is used of it now.
-- SQLite's format 5.

ALTER TABLE pools ADD COLUMN is_window BIGINT NOT NULL DEFAULT 0;
-- The pools of an account, however many windows it has.
CREATE INDEX pools_of_account ON pools (account_key, pool_key) WHERE is_window = 0;

CREATE TABLE windows (
    pool_key BIGINT PRIMARY KEY REFERENCES pools,
    -- The budget or limit, and which of them: 1 budget, 2 concurrency limit, 3 rate limit.
    rule_id TEXT COLLATE "C" NOT NULL,
    kind BIGINT NOT NULL CHECK (kind BETWEEN 1 AND 3),
    subject TEXT COLLATE "C" NOT NULL,
    -- 0: sidecars only name it in debits (SOFT budgets).
    leased BIGINT NOT NULL,
    -- Of the period; 0 and never: it has none.
    starts_at_ms BIGINT NOT NULL,
    ends_at_ms BIGINT NOT NULL,
    -- 0: it is not a rolling one.
    rolling_ms BIGINT NOT NULL,
    -- Shares of the limit, in basis points, at which an event is made: a JSON list, ascending.
    alert_bps TEXT COLLATE "C" NOT NULL,
    -- The largest of them for which it was made, and how many were made in all.
    alerted_bps BIGINT NOT NULL,
    alert_count BIGINT NOT NULL,
    -- All spending that has left a rolling period; spent_total is less it.
    left_total BIGINT NOT NULL CHECK (left_total >= 0),
    -- 1: the rule is deleted, or has other periods now.
    closed BIGINT NOT NULL,
    -- When the sweep has to touch it next.
    due_at_ms BIGINT NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX windows_due ON windows (due_at_ms) WHERE due_at_ms < 9223372036854775807;

-- What was spent against rolling windows, by the step in which it was posted.
CREATE TABLE window_buckets (
    pool_key BIGINT NOT NULL REFERENCES pools,
    ends_at_ms BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    PRIMARY KEY (pool_key, ends_at_ms)
);

-- Keys of the windows that a debit counted against: a JSON list; empty: none.
ALTER TABLE debits ADD COLUMN windows TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE duplicate_debits ADD COLUMN windows TEXT COLLATE "C" NOT NULL DEFAULT '';
-- What was used, by meter: a JSON object of numbers; empty: not told.
ALTER TABLE debits ADD COLUMN quantities TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Events of budgets have no pool.
ALTER TABLE events ALTER COLUMN pool_key DROP NOT NULL;
-- For the check, when a window's row is deleted, that no event refers to it.
CREATE INDEX events_of_pool ON events (pool_key);
