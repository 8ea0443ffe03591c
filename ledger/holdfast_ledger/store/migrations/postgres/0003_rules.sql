-- Governance: what accounts and the subjects below them may do. Rules are named by the caller's ids, and found by node:
-- the account and a path below it ('' is the account itself). SQLite's format 4.

-- Raised with each change of anything that a sidecar is told of the account; 0: it has no rules.
ALTER TABLE accounts ADD COLUMN rules_version BIGINT NOT NULL DEFAULT 0;

-- 1: the pool only records what it would have denied.
ALTER TABLE pools ADD COLUMN shadow BIGINT NOT NULL DEFAULT 0;

CREATE TABLE plans (
    plan_id TEXT COLLATE "C" PRIMARY KEY,
    display_name TEXT COLLATE "C" NOT NULL,
    -- A JSON object: true or false, a number, or a list of strings each.
    features TEXT COLLATE "C" NOT NULL
);

-- None is ever deleted, so that the revision goes on when it is set again.
CREATE TABLE rate_cards (
    rate_card_id TEXT COLLATE "C" PRIMARY KEY,
    revision BIGINT NOT NULL,
    in_use BIGINT NOT NULL,
    -- The card as JSON, compressed with zlib.
    content BYTEA NOT NULL
);

CREATE TABLE account_rules (
    account_key BIGINT PRIMARY KEY REFERENCES accounts,
    time_zone TEXT COLLATE "C" NOT NULL,
    deny_unknown_subject BIGINT NOT NULL,
    plan_id TEXT COLLATE "C" REFERENCES plans,
    -- As in plans.
    features TEXT COLLATE "C" NOT NULL,
    rate_card_id TEXT COLLATE "C" REFERENCES rate_cards,
    shadow_features BIGINT NOT NULL
);
CREATE INDEX account_rules_of_plan ON account_rules (plan_id) WHERE plan_id IS NOT NULL;
CREATE INDEX account_rules_of_card ON account_rules (rate_card_id) WHERE rate_card_id IS NOT NULL;

CREATE TABLE subjects (
    account_key BIGINT NOT NULL REFERENCES accounts,
    -- The path.
    subject TEXT COLLATE "C" NOT NULL,
    display_name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account_key, subject)
);

-- action, period_unit: as BudgetAction, PeriodUnit.
CREATE TABLE budgets (
    account_key BIGINT NOT NULL REFERENCES accounts,
    budget_id TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    action BIGINT NOT NULL,
    shadow BIGINT NOT NULL,
    limit_amount BIGINT NOT NULL CHECK (limit_amount >= 0),
    -- Of the limit of another budget; 0: limit_amount counts.
    share_bps BIGINT NOT NULL CHECK (share_bps BETWEEN 0 AND 10000),
    share_of_budget_id TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    pool_id TEXT COLLATE "C" NOT NULL,
    -- A JSON object of strings, its keys in order.
    match TEXT COLLATE "C" NOT NULL,
    period_unit BIGINT NOT NULL,
    anchor_ms BIGINT NOT NULL,
    rolling_ms BIGINT NOT NULL,
    -- A JSON list of numbers.
    alert_bps TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account_key, budget_id)
);
CREATE INDEX budgets_of_subject ON budgets (account_key, subject);
CREATE INDEX budgets_sharing ON budgets (account_key, share_of_budget_id) WHERE share_bps > 0;

-- unit: as RateUnit.
CREATE TABLE rate_limits (
    account_key BIGINT NOT NULL REFERENCES accounts,
    limit_id TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    unit BIGINT NOT NULL,
    -- A JSON list of strings.
    meters TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    per_ms BIGINT NOT NULL CHECK (per_ms > 0),
    burst BIGINT NOT NULL CHECK (burst > 0),
    shared BIGINT NOT NULL,
    shadow BIGINT NOT NULL,
    match TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account_key, limit_id)
);
CREATE INDEX rate_limits_of_subject ON rate_limits (account_key, subject);

CREATE TABLE concurrency_limits (
    account_key BIGINT NOT NULL REFERENCES accounts,
    limit_id TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    max_count BIGINT NOT NULL CHECK (max_count > 0),
    shared BIGINT NOT NULL,
    shadow BIGINT NOT NULL,
    match TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account_key, limit_id)
);
CREATE INDEX concurrency_limits_of_subject ON concurrency_limits (account_key, subject);
