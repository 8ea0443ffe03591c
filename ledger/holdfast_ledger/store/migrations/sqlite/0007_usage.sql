-- Usage: events and meters, the books, access, objects and streams.

-- -------------------- Events taken in, meters, and what events came to

-- Each change of a meter. None is forgotten: an event is counted by the meters that there were when it was taken in.
CREATE TABLE meter_revisions (
    revision INTEGER PRIMARY KEY,
    meter_id TEXT NOT NULL,
    -- 0: it was deleted.
    in_use INTEGER NOT NULL,
    -- The last batch that is counted without it.
    after_batch_key INTEGER NOT NULL,
    -- A serialised Meter.
    content BLOB NOT NULL
) STRICT;
CREATE INDEX meter_revisions_of_meter ON meter_revisions (meter_id, revision);

-- Batches as they came; what is taken from here is taken in the order of the keys, in which they commit.
CREATE TABLE event_batches (
    batch_key INTEGER PRIMARY KEY AUTOINCREMENT,
    -- "sidecar:ID", "object:NAME", "kafka:TOPIC" or "ledger".
    origin TEXT NOT NULL,
    -- SHA-256 of the content.
    content_hash BLOB NOT NULL,
    event_count INTEGER NOT NULL CHECK (event_count > 0),
    accepted_at_ms INTEGER NOT NULL,
    -- As holdfast_ledger.metering.batches.Content: what the content is.
    content_kind INTEGER NOT NULL,
    content BLOB NOT NULL,
    UNIQUE (origin, content_hash)
) STRICT;
CREATE INDEX event_batches_by_age ON event_batches (accepted_at_ms);

-- What the ledger charged for events of a batch: a compressed EventBatch of charges alone, by their events' place.
CREATE TABLE batch_charges (
    batch_key INTEGER PRIMARY KEY REFERENCES event_batches,
    content BLOB NOT NULL
) STRICT;

CREATE TABLE ingest_sources (
    origin TEXT PRIMARY KEY NOT NULL,
    event_count INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE refused_events (
    refused_key INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- A serialised UsageEvent.
    event BLOB NOT NULL,
    refused_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX refused_events_of_account ON refused_events (account_id, refused_key);
CREATE INDEX refused_events_by_age ON refused_events (refused_at_ms);

-- One row: how far batches are metered, and what became of their events.
CREATE TABLE metering (
    metering_key INTEGER PRIMARY KEY CHECK (metering_key = 1),
    metered_batch_key INTEGER NOT NULL,
    counted_count INTEGER NOT NULL,
    duplicate_count INTEGER NOT NULL,
    conflict_count INTEGER NOT NULL,
    void_count INTEGER NOT NULL,
    refused_count INTEGER NOT NULL
) STRICT;
INSERT INTO metering VALUES (1, 0, 0, 0, 0, 0, 0);

-- Figures of meters that are not additive, and what they were charged.
CREATE TABLE metered_periods (
    period_key INTEGER PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of what names it: the next five.
    period_hash BLOB NOT NULL UNIQUE,
    account_key INTEGER NOT NULL REFERENCES accounts,
    meter_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- A JSON object of strings, its keys in order.
    dimensions TEXT NOT NULL,
    starts_at_ms INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    -- Charged, less corrected, in minor units.
    amount INTEGER NOT NULL CHECK (amount >= 0),
    change_count INTEGER NOT NULL
) STRICT;

-- How they came to be what they are; a period's changes add up to it.
CREATE TABLE metered_changes (
    change_key INTEGER PRIMARY KEY AUTOINCREMENT,
    period_key INTEGER NOT NULL REFERENCES metered_periods,
    quantity INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    pool_id TEXT NOT NULL,
    changed_at_ms INTEGER NOT NULL
) STRICT;

-- What the ledger charges for events: an outbox to the journal.
CREATE TABLE metered_charges (
    charge_key INTEGER PRIMARY KEY AUTOINCREMENT,
    operation_id TEXT NOT NULL,
    account_key INTEGER NOT NULL REFERENCES accounts,
    pool_id TEXT NOT NULL,
    meter_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    dimensions TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    used_at_ms INTEGER NOT NULL,
    -- 0: of additive meters.
    period_key INTEGER NOT NULL,
    -- What corrections were asked to give back.
    corrected_amount INTEGER NOT NULL CHECK (corrected_amount BETWEEN 0 AND amount),
    -- 0: to be posted; 1: posted; 2: there is no such pool, or a total would pass int64.
    state INTEGER NOT NULL,
    -- Names of the windows that it counts against, as a JSON list.
    windows TEXT NOT NULL,
    UNIQUE (account_key, operation_id)
) STRICT;
CREATE INDEX metered_charges_waiting ON metered_charges (charge_key) WHERE state = 0;
CREATE INDEX metered_charges_of_period ON metered_charges (period_key, charge_key) WHERE period_key > 0;

-- What is given back for events: an outbox to corrections, which wait for their debit.
CREATE TABLE event_corrections (
    event_correction_key INTEGER PRIMARY KEY AUTOINCREMENT,
    correction_id TEXT NOT NULL,
    account_key INTEGER NOT NULL REFERENCES accounts,
    pool_id TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    made_at_ms INTEGER NOT NULL,
    -- When it is tried next.
    due_at_ms INTEGER NOT NULL,
    -- 0: to be made; 1: made, as far as something was left of the debit; 2: its debit never came.
    state INTEGER NOT NULL,
    UNIQUE (account_key, correction_id)
) STRICT;
CREATE INDEX event_corrections_waiting ON event_corrections (due_at_ms) WHERE state = 0;

-- -------------------- Closed months, the treatment of revenue, and the hash chain over the journal

-- What was paid back for it when it was voided, in the minor unit of its cost's currency.
ALTER TABLE grants ADD COLUMN refunded_amount INTEGER NOT NULL DEFAULT 0 CHECK (refunded_amount >= 0);

-- Who made the call that a debit comes of; empty: not known, as of all debits of before.
ALTER TABLE debits ADD COLUMN caller TEXT NOT NULL DEFAULT '';

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

-- -------------------- Credentials and the audit trail

CREATE TABLE credentials (
    credential_id TEXT PRIMARY KEY NOT NULL,
    -- SHA-256 of the token, which is 32 random bytes: nothing is to be guessed from it.
    token_hash BLOB NOT NULL UNIQUE,
    token_end TEXT NOT NULL,
    -- As Role.
    role INTEGER NOT NULL CHECK (role BETWEEN 1 AND 4),
    -- The only account that it may name; empty: all.
    account_id TEXT NOT NULL,
    calls_per_s INTEGER NOT NULL CHECK (calls_per_s >= 0),
    created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Changes that were asked for: written before they are made, their outcome after.
CREATE TABLE audit_records (
    audit_key INTEGER PRIMARY KEY AUTOINCREMENT,
    called_at_ms INTEGER NOT NULL,
    credential_id TEXT NOT NULL,
    peer TEXT NOT NULL,
    method TEXT NOT NULL,
    account_id TEXT NOT NULL,
    request_json TEXT NOT NULL,
    -- gRPC's; 2 (UNKNOWN): it was asked for, and what became of it was never written.
    status_code INTEGER NOT NULL,
    status_reason TEXT NOT NULL
) STRICT;
CREATE INDEX audit_records_of_account ON audit_records (account_id, audit_key);

-- -------------------- Objects taken in from object stores, each once

-- One content of an object. state: 1 pending, 2 running, 3 done, 4 failed (as ObjectState). Whoever takes it in moves
-- due_at_ms on, again and again: that is the claim, and when the claimant is gone it is anybody's.
CREATE TABLE objects (
    object_key INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Name of its source in the ingest file, or of a single import.
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    -- What tells one content at a path from another: the store's ETag or, without one, size and time.
    version TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_at_ms INTEGER NOT NULL,
    found_at_ms INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    -- Pending: when it may be tried; running: when the claim ends; else it never comes.
    due_at_ms INTEGER NOT NULL,
    -- Who works at it, a random word; empty: nobody.
    claim TEXT NOT NULL,
    attempt_count INTEGER NOT NULL,
    -- When it was first claimed: its events were taken in then, however often it is tried. 0: never.
    began_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER NOT NULL,
    -- Rows behind us, good and bad: where the next attempt goes on.
    row_count INTEGER NOT NULL,
    bad_count INTEGER NOT NULL,
    -- The same in bytes: of the text, unpacked; of Parquet, of the file.
    byte_count INTEGER NOT NULL,
    error TEXT NOT NULL,
    UNIQUE (source, path, version)
) STRICT;
CREATE INDEX objects_due ON objects (due_at_ms, object_key) WHERE due_at_ms < 9223372036854775807;
CREATE INDEX objects_open ON objects (state, source, object_key) WHERE state <> 3;

-- What became of a source as a whole; kept beside its objects, so that looking costs nothing.
CREATE TABLE object_sources (
    source TEXT PRIMARY KEY NOT NULL,
    done_count INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    bad_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    -- The latest listing that came to its end; 0: none.
    listed_at_ms INTEGER NOT NULL,
    -- Why the latest listing did not; empty: it did.
    listing_error TEXT NOT NULL
) STRICT;

-- -------------------- How far streams of events were taken in: moved in the transaction that takes their events in

CREATE TABLE stream_offsets (
    group_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    -- Of the first message that was not taken in.
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (group_id, topic, partition)
) STRICT, WITHOUT ROWID;

-- -------------------- The secret that tokens of pages and figures are signed with: one for all replicas

CREATE TABLE token_secret (
    secret_key INTEGER PRIMARY KEY CHECK (secret_key = 1),
    secret BLOB NOT NULL
) STRICT;
INSERT INTO token_secret (secret_key, secret)
VALUES (1, randomblob(32));
