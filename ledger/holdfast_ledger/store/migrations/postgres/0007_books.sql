-- Closed months, the treatment of revenue, and the hash chain over the journal. SQLite's format 8.

-- What was paid back for it when it was voided, in the minor unit of its cost's currency.
ALTER TABLE grants ADD COLUMN refunded_amount BIGINT NOT NULL DEFAULT 0 CHECK (refunded_amount >= 0);

-- The one row of the books: how open months are treated, and up to where the journal is counted and chained.
CREATE TABLE books (
    books_key BIGINT PRIMARY KEY CHECK (books_key = 1),
    -- A JSON object.
    policy TEXT COLLATE "C" NOT NULL,
    last_entry_key BIGINT NOT NULL,
    -- Until then nothing is counted, since somebody closes months; past: nobody does.
    closing_until_ms BIGINT NOT NULL
);
INSERT INTO books (books_key, policy, last_entry_key, closing_until_ms) VALUES (1, '{}', 0, 0);

-- What the journal did to each grant in each month, in minor units of credits. period: 202611 is November 2026.
-- late = 1: it belongs to a month that was closed before it was posted. Made from the journal, and again at any time.
CREATE TABLE book_months (
    grant_key BIGINT NOT NULL REFERENCES grants,
    period BIGINT NOT NULL,
    late BIGINT NOT NULL CHECK (late BETWEEN 0 AND 1),
    granted BIGINT NOT NULL,
    rolled_in BIGINT NOT NULL,
    burned BIGINT NOT NULL,
    expired BIGINT NOT NULL,
    voided BIGINT NOT NULL,
    rolled_out BIGINT NOT NULL,
    PRIMARY KEY (grant_key, period, late)
);

-- The hash chain: each link seals the entries after those of the link before, up to last_entry_key, or (period > 0) a
-- month that was closed. generation: that of the ledger, so that a restored backup shows.
CREATE TABLE journal_links (
    link_key BIGINT PRIMARY KEY,
    generation BIGINT NOT NULL,
    last_entry_key BIGINT NOT NULL,
    entry_count BIGINT NOT NULL,
    period BIGINT NOT NULL,
    made_at_ms BIGINT NOT NULL,
    hash BYTEA NOT NULL
);
CREATE INDEX journal_links_by_hash ON journal_links (hash);

-- Closed months: entries after last_entry_key count in later ones.
CREATE TABLE closed_periods (
    period BIGINT PRIMARY KEY,
    closed_at_ms BIGINT NOT NULL,
    last_entry_key BIGINT NOT NULL,
    -- A JSON object.
    policy TEXT COLLATE "C" NOT NULL,
    -- Lines that it fixed, in closed_lines.
    line_count BIGINT NOT NULL,
    figures_hash BYTEA NOT NULL,
    -- Of the link that seals it.
    chain_hash BYTEA NOT NULL
);
CREATE INDEX closed_periods_by_entry ON closed_periods (last_entry_key, period);

-- Their figures. kind: 1 revenue, in minor units of money; 2 promotional credits, in theirs (recognised: burned,
-- breakage: lapsed).
CREATE TABLE closed_lines (
    period BIGINT NOT NULL,
    account_key BIGINT NOT NULL REFERENCES accounts,
    kind BIGINT NOT NULL CHECK (kind BETWEEN 1 AND 2),
    product TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    opening BIGINT NOT NULL,
    granted BIGINT NOT NULL,
    recognised BIGINT NOT NULL,
    breakage BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    closing BIGINT NOT NULL,
    contra BIGINT NOT NULL,
    late BIGINT NOT NULL,
    PRIMARY KEY (period, account_key, kind, product, currency),
    CHECK (kind <> 1 OR opening + granted - recognised - breakage - refunded = closing)
);
