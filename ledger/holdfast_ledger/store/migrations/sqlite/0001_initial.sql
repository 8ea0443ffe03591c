-- Accounts, pools, grants, the journal, sidecars and their leases. Amounts are minor units, times Unix milliseconds.
-- 9223372036854775807 is "never" for times, so that they sort and compare without NULL.

CREATE TABLE accounts (
    account_key INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- posted = granted_total - spent_total - expired_total, and is always free + leased: the database itself refuses a
-- row that breaks it.
CREATE TABLE pools (
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
    spent_total INTEGER NOT NULL CHECK (spent_total >= 0),
    expired_total INTEGER NOT NULL CHECK (expired_total >= 0),
    overdraft INTEGER NOT NULL CHECK (overdraft >= 0),
    UNIQUE (account_key, pool_id),
    CHECK (free + leased = granted_total - spent_total - expired_total)
) STRICT;

-- state: 1 pending, 2 active, 3 exhausted, 4 expired (as GrantState). due_at_ms: when the sweep has to touch it next.
CREATE TABLE grants (
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
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    due_at_ms INTEGER NOT NULL,
    UNIQUE (pool_key, grant_id)
) STRICT;
-- The order of burn-down, for lists; the few that burn or will, for posting; those to touch next, for the sweep.
CREATE INDEX grants_in_order ON grants (pool_key, priority, category, expires_at_ms, effective_at_ms, grant_id);
CREATE INDEX grants_open ON grants (pool_key, due_at_ms) WHERE state <= 2;
CREATE INDEX grants_due ON grants (due_at_ms) WHERE due_at_ms < 9223372036854775807;

CREATE TABLE sidecars (
    sidecar_key INTEGER PRIMARY KEY,
    sidecar_id TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    birth_epoch INTEGER NOT NULL,
    instance BLOB NOT NULL,
    -- Counts the streams ever opened: of two streams of one epoch the one with the higher number wins, on any replica.
    stream_number INTEGER NOT NULL,
    acked_sequence INTEGER NOT NULL,
    max_hold_ttl_ms INTEGER NOT NULL,
    version TEXT NOT NULL,
    last_seen_at_ms INTEGER NOT NULL
) STRICT;

-- One life of a sidecar's folder. Past reclaim_at_ms its rights go back to the pools; never: nothing is out.
CREATE TABLE lives (
    sidecar_key INTEGER NOT NULL REFERENCES sidecars,
    birth_epoch INTEGER NOT NULL,
    reclaim_at_ms INTEGER NOT NULL,
    PRIMARY KEY (sidecar_key, birth_epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX lives_due ON lives (reclaim_at_ms) WHERE reclaim_at_ms < 9223372036854775807;

CREATE TABLE leases (
    lease_key INTEGER PRIMARY KEY,
    sidecar_key INTEGER NOT NULL,
    birth_epoch INTEGER NOT NULL,
    pool_key INTEGER NOT NULL REFERENCES pools,
    granted_total INTEGER NOT NULL,
    reclaimed_total INTEGER NOT NULL,
    returned_total INTEGER NOT NULL,
    posted_total INTEGER NOT NULL,
    UNIQUE (sidecar_key, birth_epoch, pool_key),
    FOREIGN KEY (sidecar_key, birth_epoch) REFERENCES lives,
    CHECK (granted_total - reclaimed_total - returned_total - posted_total >= 0)
) STRICT;
CREATE INDEX leases_of_pool ON leases (pool_key);

-- Every debit posted. The sidecar and the pool are those of the lease.
CREATE TABLE debits (
    debit_key INTEGER PRIMARY KEY,
    account_key INTEGER NOT NULL REFERENCES accounts,
    operation_id TEXT NOT NULL,
    lease_key INTEGER NOT NULL REFERENCES leases,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    hold_id TEXT NOT NULL,
    posted_at_ms INTEGER NOT NULL,
    settled_at_ms INTEGER NOT NULL,
    subject TEXT NOT NULL,
    dimensions TEXT NOT NULL,
    late INTEGER NOT NULL,
    over_hold_amount INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    UNIQUE (account_key, operation_id)
) STRICT;

-- The journal, append-only: one row an amount moved. The books it moves between follow from type and grant
-- (posting/books.py). type as EntryType.
CREATE TABLE entries (
    entry_key INTEGER PRIMARY KEY,
    type INTEGER NOT NULL CHECK (type BETWEEN 1 AND 5),
    pool_key INTEGER NOT NULL REFERENCES pools,
    grant_key INTEGER REFERENCES grants,
    debit_key INTEGER REFERENCES debits,
    amount INTEGER NOT NULL CHECK (amount > 0),
    posted_at_ms INTEGER NOT NULL,
    CHECK ((type = 3) = (grant_key IS NULL)),
    CHECK ((type IN (2, 3)) = (debit_key IS NOT NULL))
) STRICT;
CREATE INDEX entries_of_pool ON entries (pool_key);
CREATE INDEX entries_of_debit ON entries (debit_key) WHERE debit_key IS NOT NULL;

-- Debits whose operation was posted before, by another sidecar or in another life: nothing was burned for them.
CREATE TABLE duplicate_debits (
    lease_key INTEGER NOT NULL REFERENCES leases,
    sequence INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    -- The debit that was posted.
    debit_key INTEGER NOT NULL REFERENCES debits,
    posted_at_ms INTEGER NOT NULL,
    PRIMARY KEY (lease_key, sequence)
) STRICT, WITHOUT ROWID;

-- Debits that no pool could take, whole, for an operator.
CREATE TABLE quarantined_debits (
    sidecar_key INTEGER NOT NULL REFERENCES sidecars,
    sequence INTEGER NOT NULL,
    reason TEXT NOT NULL,
    -- The serialised holdfast.v1.Debit.
    debit BLOB NOT NULL,
    posted_at_ms INTEGER NOT NULL,
    PRIMARY KEY (sidecar_key, sequence)
) STRICT, WITHOUT ROWID;
