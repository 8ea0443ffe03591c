-- Governance: what accounts and the subjects below them may do. Rules are named by the caller's ids, and found by node:
-- the account and a path below it ('' is the account itself).

-- Raised with each change of anything that a sidecar is told of the account; 0: it has no rules.
ALTER TABLE accounts ADD COLUMN rules_version INTEGER NOT NULL DEFAULT 0;

-- 1: the pool only records what it would have denied.
ALTER TABLE pools ADD COLUMN shadow INTEGER NOT NULL DEFAULT 0;

CREATE TABLE plans (
    plan_id TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    -- A JSON object: true or false, a number, or a list of strings each.
    features TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- None is ever deleted, so that the revision goes on when it is set again.
CREATE TABLE rate_cards (
    rate_card_id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    in_use INTEGER NOT NULL,
    -- The card as JSON, compressed with zlib.
    content BLOB NOT NULL
) STRICT;

CREATE TABLE account_rules (
    account_key INTEGER PRIMARY KEY REFERENCES accounts,
    time_zone TEXT NOT NULL,
    deny_unknown_subject INTEGER NOT NULL,
    plan_id TEXT REFERENCES plans,
    -- As in plans.
    features TEXT NOT NULL,
    rate_card_id TEXT REFERENCES rate_cards,
    shadow_features INTEGER NOT NULL
) STRICT;
CREATE INDEX account_rules_of_plan ON account_rules (plan_id) WHERE plan_id IS NOT NULL;
CREATE INDEX account_rules_of_card ON account_rules (rate_card_id) WHERE rate_card_id IS NOT NULL;

CREATE TABLE subjects (
    account_key INTEGER NOT NULL REFERENCES accounts,
    -- The path.
    subject TEXT NOT NULL,
    display_name TEXT NOT NULL,
    PRIMARY KEY (account_key, subject)
) STRICT, WITHOUT ROWID;

-- action, period_unit: as BudgetAction, PeriodUnit. These have row ids, so that SQLite takes their keys for no better
-- than their other indexes: it would read an account's rules as a whole to find those of a subject.
CREATE TABLE budgets (
    account_key INTEGER NOT NULL REFERENCES accounts,
    budget_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    action INTEGER NOT NULL,
    shadow INTEGER NOT NULL,
    limit_amount INTEGER NOT NULL CHECK (limit_amount >= 0),
    -- Of the limit of another budget; 0: limit_amount counts.
    share_bps INTEGER NOT NULL CHECK (share_bps BETWEEN 0 AND 10000),
    share_of_budget_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    pool_id TEXT NOT NULL,
    -- A JSON object of strings, its keys in order.
    match TEXT NOT NULL,
    period_unit INTEGER NOT NULL,
    anchor_ms INTEGER NOT NULL,
    rolling_ms INTEGER NOT NULL,
    -- A JSON list of numbers.
    alert_bps TEXT NOT NULL,
    PRIMARY KEY (account_key, budget_id)
) STRICT;
CREATE INDEX budgets_of_subject ON budgets (account_key, subject);
CREATE INDEX budgets_sharing ON budgets (account_key, share_of_budget_id) WHERE share_bps > 0;

-- unit: as RateUnit.
CREATE TABLE rate_limits (
    account_key INTEGER NOT NULL REFERENCES accounts,
    limit_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    unit INTEGER NOT NULL,
    -- A JSON list of strings.
    meters TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    per_ms INTEGER NOT NULL CHECK (per_ms > 0),
    burst INTEGER NOT NULL CHECK (burst > 0),
    shared INTEGER NOT NULL,
    shadow INTEGER NOT NULL,
    match TEXT NOT NULL,
    PRIMARY KEY (account_key, limit_id)
) STRICT;
CREATE INDEX rate_limits_of_subject ON rate_limits (account_key, subject);

CREATE TABLE concurrency_limits (
    account_key INTEGER NOT NULL REFERENCES accounts,
    limit_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    max_count INTEGER NOT NULL CHECK (max_count > 0),
    shared INTEGER NOT NULL,
    shadow INTEGER NOT NULL,
    match TEXT NOT NULL,
    PRIMARY KEY (account_key, limit_id)
) STRICT;
CREATE INDEX concurrency_limits_of_subject ON concurrency_limits (account_key, subject);
