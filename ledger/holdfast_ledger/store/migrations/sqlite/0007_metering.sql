-- Events taken in, meters, and what events came to.

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
