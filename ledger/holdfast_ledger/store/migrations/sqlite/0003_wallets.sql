-- Wallets: grants that are voided or roll over, debits that are corrected, alerts and events.
-- A table whose rules change is made anew and its rows are copied: SQLite cannot change a CHECK. Keys stay.

CREATE TABLE new_pools (
    pool_key INTEGER PRIMARY KEY,
    account_key INTEGER NOT NULL REFERENCES accounts,
    pool_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    currency_exponent INTEGER NOT NULL,
    enforcement INTEGER NOT NULL,
    overdraft_limit INTEGER NOT NULL,
    overdraft_limit_bps INTEGER NOT NULL,
    partition_mode INTEGER NOT NULL,
    partition_overdraft_limit INTEGER NOT NULL,
    partition_after_ms INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    free INTEGER NOT NULL,
    leased INTEGER NOT NULL CHECK (leased >= 0),
    granted_total INTEGER NOT NULL CHECK (granted_total >= 0),
    -- Less what was corrected.
    spent_total INTEGER NOT NULL CHECK (spent_total >= 0),
    -- Less what was revived.
    expired_total INTEGER NOT NULL CHECK (expired_total >= 0),
    overdraft INTEGER NOT NULL CHECK (overdraft >= 0),
    allowance_leased INTEGER NOT NULL DEFAULT 0 CHECK (allowance_leased >= 0),
    -- What the overdraft consists of: sums over all debits posted, see PoolBalance.
    allowance_spent_total INTEGER NOT NULL DEFAULT 0,
    fail_open_total INTEGER NOT NULL DEFAULT 0,
    over_hold_total INTEGER NOT NULL DEFAULT 0,
    late_total INTEGER NOT NULL DEFAULT 0,
    unleased_total INTEGER NOT NULL DEFAULT 0,
    expired_leased_total INTEGER NOT NULL DEFAULT 0,
    -- The latest recall round, and until when its answers are waited for.
    recall_round INTEGER NOT NULL DEFAULT 0,
    recall_until_ms INTEGER NOT NULL DEFAULT 0,
    voided_total INTEGER NOT NULL DEFAULT 0 CHECK (voided_total >= 0),
    corrected_total INTEGER NOT NULL DEFAULT 0 CHECK (corrected_total >= 0),
    revived_total INTEGER NOT NULL DEFAULT 0 CHECK (revived_total >= 0),
    -- 1: it has thresholds or a top-up rule.
    watched INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account_key, pool_id),
    CHECK (free + leased = granted_total - spent_total - expired_total - voided_total)
) STRICT;
INSERT INTO new_pools (
    pool_key, account_key, pool_id, currency, currency_exponent, enforcement, overdraft_limit, overdraft_limit_bps,
    partition_mode, partition_overdraft_limit, partition_after_ms, created_at_ms, free, leased, granted_total,
    spent_total, expired_total, overdraft, allowance_leased, allowance_spent_total, fail_open_total, over_hold_total,
    late_total, unleased_total, expired_leased_total, recall_round, recall_until_ms
) SELECT
    pool_key, account_key, pool_id, currency, currency_exponent, enforcement, overdraft_limit, overdraft_limit_bps,
    partition_mode, partition_overdraft_limit, partition_after_ms, created_at_ms, free, leased, granted_total,
    spent_total, expired_total, overdraft, allowance_leased, allowance_spent_total, fail_open_total, over_hold_total,
    late_total, unleased_total, expired_leased_total, recall_round, recall_until_ms
FROM pools;
DROP TABLE pools;
ALTER TABLE new_pools RENAME TO pools;

-- state: 1 pending, 2 active, 3 exhausted, 4 expired, 5 voided (as GrantState).
CREATE TABLE new_grants (
    grant_key INTEGER PRIMARY KEY,
    pool_key INTEGER NOT NULL REFERENCES pools,
    grant_id TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    category INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    effective_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    cost_amount INTEGER NOT NULL,
    cost_currency TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    remaining INTEGER NOT NULL CHECK (remaining BETWEEN 0 AND amount),
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 5),
    due_at_ms INTEGER NOT NULL,
    -- A JSON object of strings.
    metadata TEXT NOT NULL DEFAULT '{}',
    -- What expired of it, less what was revived; what rolled over is not in it.
    lapsed INTEGER NOT NULL DEFAULT 0 CHECK (lapsed BETWEEN 0 AND amount),
    -- What becomes of it at its expiry; a share of 0: it does not roll over.
    rollover_share_bps INTEGER NOT NULL DEFAULT 0,
    rollover_max_amount INTEGER NOT NULL DEFAULT 0,
    rollover_lifetime_ms INTEGER NOT NULL DEFAULT 0,
    -- How many times more: of itself and of its successors.
    rollover_count INTEGER NOT NULL DEFAULT 0,
    -- The id of the grant that it is what was left of; empty: none.
    rolled_from TEXT NOT NULL DEFAULT '',
    UNIQUE (pool_key, grant_id)
) STRICT;
INSERT INTO new_grants (
    grant_key, pool_key, grant_id, amount, category, priority, effective_at_ms, expires_at_ms, cost_amount,
    cost_currency, created_at_ms, remaining, state, due_at_ms, lapsed
) SELECT
    grant_key, pool_key, grant_id, amount, category, priority, effective_at_ms, expires_at_ms, cost_amount,
    cost_currency, created_at_ms, remaining, state, due_at_ms,
    coalesce((SELECT sum(e.amount) FROM entries e WHERE e.grant_key = grants.grant_key AND e.type = 5), 0)
FROM grants;
DROP TABLE grants;
ALTER TABLE new_grants RENAME TO grants;
-- The order of burn-down, for lists; the few that burn or will, for posting; those to touch next, for the sweep; those
-- that settles of older holds may still burn.
CREATE INDEX grants_in_order ON grants (pool_key, priority, category, expires_at_ms, effective_at_ms, grant_id);
CREATE INDEX grants_open ON grants (pool_key, due_at_ms) WHERE state <= 2;
CREATE INDEX grants_due ON grants (due_at_ms) WHERE due_at_ms < 9223372036854775807;
CREATE INDEX grants_lapsed ON grants (pool_key, expires_at_ms) WHERE lapsed > 0;

-- What was given back of debits. One id of an account is one correction.
CREATE TABLE corrections (
    correction_key INTEGER PRIMARY KEY,
    account_key INTEGER NOT NULL REFERENCES accounts,
    correction_id TEXT NOT NULL,
    debit_key INTEGER NOT NULL REFERENCES debits,
    amount INTEGER NOT NULL CHECK (amount > 0),
    -- As it was asked for; 0: all that was left of the debit.
    asked_amount INTEGER NOT NULL,
    posted_at_ms INTEGER NOT NULL,
    UNIQUE (account_key, correction_id)
) STRICT;
CREATE INDEX corrections_of_debit ON corrections (debit_key);

-- The journal, append-only: one row an amount moved. The books it moves between follow from type and grant
-- (posting/books.py). type as EntryType.
CREATE TABLE new_entries (
    entry_key INTEGER PRIMARY KEY,
    type INTEGER NOT NULL CHECK (type BETWEEN 1 AND 12),
    pool_key INTEGER NOT NULL REFERENCES pools,
    grant_key INTEGER REFERENCES grants,
    debit_key INTEGER REFERENCES debits,
    amount INTEGER NOT NULL CHECK (amount > 0),
    posted_at_ms INTEGER NOT NULL,
    correction_key INTEGER REFERENCES corrections,
    CHECK ((type IN (3, 8)) = (grant_key IS NULL)),
    CHECK (type NOT IN (2, 3, 7, 8, 9) OR debit_key IS NOT NULL),
    CHECK (type NOT IN (7, 8, 12) OR correction_key IS NOT NULL)
) STRICT;
INSERT INTO new_entries (entry_key, type, pool_key, grant_key, debit_key, amount, posted_at_ms)
    SELECT entry_key, type, pool_key, grant_key, debit_key, amount, posted_at_ms FROM entries ORDER BY entry_key;
DROP TABLE entries;
ALTER TABLE new_entries RENAME TO entries;
CREATE INDEX entries_of_pool ON entries (pool_key);
CREATE INDEX entries_of_debit ON entries (debit_key) WHERE debit_key IS NOT NULL;
-- Who repaid overdraft, for a correction of what was overdraft then.
CREATE INDEX entries_repaying ON entries (pool_key) WHERE type IN (4, 12);

-- Levels of a pool's settled balance at which an event is made. None is ever deleted, so that the count of its
-- crossings, which is a part of the events' ids, goes on when it is set again.
CREATE TABLE thresholds (
    threshold_key INTEGER PRIMARY KEY,
    pool_key INTEGER NOT NULL REFERENCES pools,
    threshold_id TEXT NOT NULL,
    amount INTEGER NOT NULL,
    share_bps INTEGER NOT NULL,
    in_use INTEGER NOT NULL,
    -- 1: the balance is at or below it, and the event was made.
    crossed INTEGER NOT NULL,
    crossing_count INTEGER NOT NULL,
    UNIQUE (pool_key, threshold_id)
) STRICT;

-- When a pool wants to be topped up, and how often that was said.
CREATE TABLE top_ups (
    top_up_key INTEGER PRIMARY KEY,
    pool_key INTEGER NOT NULL UNIQUE REFERENCES pools,
    in_use INTEGER NOT NULL,
    threshold_amount INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    cooldown_ms INTEGER NOT NULL,
    max_times INTEGER NOT NULL,
    period_ms INTEGER NOT NULL,
    wanted_count INTEGER NOT NULL,
    wanted_at_ms INTEGER NOT NULL,
    -- Of the period under way.
    period_began_at_ms INTEGER NOT NULL,
    period_count INTEGER NOT NULL
) STRICT;

-- What others are to be told of, each made in the transaction in which it happened.
CREATE TABLE events (
    event_key INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    account_key INTEGER NOT NULL REFERENCES accounts,
    pool_key INTEGER NOT NULL REFERENCES pools,
    -- What is sent: a JSON object.
    body TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX events_of_account ON events (account_key, event_key);

-- How long the hold had been open when it was settled; 0: a charge, or not known.
ALTER TABLE debits ADD COLUMN hold_age_ms INTEGER NOT NULL DEFAULT 0;

-- Who is told of events: of one account or (NULL) of all.
CREATE TABLE webhooks (
    webhook_key INTEGER PRIMARY KEY,
    webhook_id TEXT NOT NULL UNIQUE,
    account_key INTEGER REFERENCES accounts,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- One event to one webhook. state: 1 pending, 2 delivered, 3 dead (as DeliveryState). Whoever delivers moves next_at_ms
-- on first, by as long as it may take: that is the claim.
CREATE TABLE deliveries (
    delivery_key INTEGER PRIMARY KEY,
    webhook_key INTEGER NOT NULL REFERENCES webhooks,
    event_key INTEGER NOT NULL REFERENCES events,
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3),
    attempt_count INTEGER NOT NULL,
    next_at_ms INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    ended_at_ms INTEGER NOT NULL,
    UNIQUE (webhook_key, event_key)
) STRICT;
CREATE INDEX deliveries_due ON deliveries (next_at_ms) WHERE next_at_ms < 9223372036854775807;
