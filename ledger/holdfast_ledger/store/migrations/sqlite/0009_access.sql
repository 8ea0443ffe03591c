-- Credentials and the audit trail.

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
