-- Closed months, the treatment of revenue, and the hash chain over the journal.

-- What was paid back for it when it was voided, in the minor unit of its cost's currency.
ALTER TABLE grants ADD COLUMN refunded_amount INTEGER NOT NULL DEFAULT 0 CHECK (refunded_amount >= 0);

-- The one row of the books: how open months are treated, and up to where the journal is counted and chained.
CREATE TABLE books (
    books_key INTEGER PRIMARY KEY CHECK (books_key = 1),
    -- A JSON object.
    policy TEXT NOT NULL,
    last_entry_key INTEGER NOT NULL,
    -- Until then nothing is counted, since somebody closes months; past: nobody does.
    closing_until_ms INTEGER NOT NULL
) STRICT;
INSERT INTO books (books_key, policy, last_entry_key, closing_until_ms) VALUES (1, '{}', 0, 0);

-- What the journal did to each grant in each month, in minor units of credits. period: 202611 is November 2026.
-- late = 1: it belongs to a month that was closed before it was posted. Made from the journal, and again at any time.
CREATE TABLE book_months (
    grant_key INTEGER NOT NULL REFERENCES grants,
    period INTEGER NOT NULL,
    late INTEGER NOT NULL CHECK (late BETWEEN 0 AND 1),
    granted INTEGER NOT NULL,
    rolled_in INTEGER NOT NULL,
    burned INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    voided INTEGER NOT NULL,
    rolled_out INTEGER NOT NULL,
    PRIMARY KEY (grant_key, period, late)
) STRICT, WITHOUT ROWID;

-- The hash chain: each link seals the entries after those of the link before, up to last_entry_key, or (period > 0) a
-- month that was closed. generation: that of the ledger, so that a restored backup shows.
CREATE TABLE journal_links (
    link_key INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    last_entry_key INTEGER NOT NULL,
    entry_count INTEGER NOT NULL,
    period INTEGER NOT NULL,
    made_at_ms INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX journal_links_by_hash ON journal_links (hash);

-- Closed months: entries after last_entry_key count in later ones.
CREATE TABLE closed_periods (
    period INTEGER PRIMARY KEY,
    closed_at_ms INTEGER NOT NULL,
    last_entry_key INTEGER NOT NULL,
    -- A JSON object.
    policy TEXT NOT NULL,
    -- Lines that it fixed, in closed_lines.
    line_count INTEGER NOT NULL,
    figures_hash BLOB NOT NULL,
    -- Of the link that seals it.
    chain_hash BLOB NOT NULL
) STRICT;
CREATE INDEX closed_periods_by_entry ON closed_periods (last_entry_key, period);

-- Their figures. kind: 1 revenue, in minor units of money; 2 promotional credits, in theirs (recognised: burned,
-- breakage: lapsed).
CREATE TABLE closed_lines (
    period INTEGER NOT NULL,
    account_key INTEGER NOT NULL REFERENCES accounts,
    kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 2),
    product TEXT NOT NULL,
    currency TEXT NOT NULL,
    opening INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    recognised INTEGER NOT NULL,
    breakage INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    closing INTEGER NOT NULL,
    contra INTEGER NOT NULL,
    late INTEGER NOT NULL,
    PRIMARY KEY (period, account_key, kind, product, currency),
    CHECK (kind <> 1 OR opening + granted - recognised - breakage - refunded = closing)
) STRICT, WITHOUT ROWID;
