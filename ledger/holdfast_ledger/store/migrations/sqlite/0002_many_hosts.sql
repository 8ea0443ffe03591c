-- Many hosts: recall of rights, partition allowances, what the overdraft consists of, and a ledger that was restored.

ALTER TABLE pools ADD COLUMN allowance_leased INTEGER NOT NULL DEFAULT 0 CHECK (allowance_leased >= 0);
-- What the overdraft consists of: sums over all debits posted, see PoolBalance.
ALTER TABLE pools ADD COLUMN allowance_spent_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pools ADD COLUMN fail_open_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pools ADD COLUMN over_hold_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pools ADD COLUMN late_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pools ADD COLUMN unleased_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pools ADD COLUMN expired_leased_total INTEGER NOT NULL DEFAULT 0;
-- The latest recall round, and until when its answers are waited for.
ALTER TABLE pools ADD COLUMN recall_round INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pools ADD COLUMN recall_until_ms INTEGER NOT NULL DEFAULT 0;

ALTER TABLE leases ADD COLUMN allowance_granted_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN allowance_reclaimed_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN allowance_returned_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN allowance_posted_total INTEGER NOT NULL DEFAULT 0
    CHECK (allowance_granted_total >=
        allowance_reclaimed_total + allowance_returned_total + allowance_posted_total);
-- What the sidecar's waiting decisions need and have not got.
ALTER TABLE leases ADD COLUMN needed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX leases_needy ON leases (pool_key) WHERE needed > 0;
-- The latest recall round that the sidecar has answered.
ALTER TABLE leases ADD COLUMN answered_round INTEGER NOT NULL DEFAULT 0;

-- Past it the allowances of the life go back as well; never: none is out.
ALTER TABLE lives ADD COLUMN allowance_reclaim_at_ms INTEGER NOT NULL DEFAULT 9223372036854775807;
CREATE INDEX lives_allowance_due ON lives (allowance_reclaim_at_ms) WHERE allowance_reclaim_at_ms < 9223372036854775807;

-- The generation of the ledger in which the sidecar last told all its rights, or was new.
ALTER TABLE sidecars ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
-- Of the debit with the acked sequence; empty: none, or it was posted before this column was there.
ALTER TABLE sidecars ADD COLUMN acked_operation_id TEXT NOT NULL DEFAULT '';

ALTER TABLE debits ADD COLUMN allowance_amount INTEGER NOT NULL DEFAULT 0;
ALTER TABLE debits ADD COLUMN fail_open_amount INTEGER NOT NULL DEFAULT 0;
ALTER TABLE duplicate_debits ADD COLUMN allowance_amount INTEGER NOT NULL DEFAULT 0;
-- What the debits posted before say of themselves; the other parts of the overdraft did not exist.
UPDATE pools SET late_total = said.late_amount, over_hold_total = said.over_hold_amount FROM (
    SELECT pool_key, sum(CASE WHEN late = 1 THEN amount ELSE 0 END) AS late_amount,
        sum(over_hold_amount) AS over_hold_amount
    FROM debits JOIN leases USING (lease_key) GROUP BY pool_key
) AS said WHERE said.pool_key = pools.pool_key;

-- The one row of the ledger itself. The generation is raised when it was restored from an older backup; until
-- recover_until_ms no new rights are given, since sidecars may have some that the backup does not know.
CREATE TABLE ledger (
    ledger_key INTEGER PRIMARY KEY CHECK (ledger_key = 1),
    generation INTEGER NOT NULL,
    recover_until_ms INTEGER NOT NULL
) STRICT;
INSERT INTO ledger (ledger_key, generation, recover_until_ms) VALUES (1, 1, 0);

-- Debits that an operator replayed. They lie under leases of the sidecar's life 0, which no sidecar ever has.
CREATE TABLE replayed_debits (
    lease_key INTEGER NOT NULL REFERENCES leases,
    sequence INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    -- The debit that it was posted as, or (posted = 0) the one that had its operation.
    debit_key INTEGER NOT NULL REFERENCES debits,
    posted INTEGER NOT NULL CHECK (posted BETWEEN 0 AND 1),
    posted_at_ms INTEGER NOT NULL,
    -- One folder's sequence may be that of another copy's debit, so the operation is a part of the name.
    PRIMARY KEY (lease_key, sequence, epoch, debit_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX replays_of_debit ON replayed_debits (debit_key);
CREATE INDEX duplicates_of_debit ON duplicate_debits (debit_key);
-- Set when the debit leaves the quarantine; the row stays, as its sequence counts.
ALTER TABLE quarantined_debits ADD COLUMN debit_key INTEGER REFERENCES debits;
