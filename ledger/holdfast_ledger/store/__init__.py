"""The rows of the ledger: one interface, plain SQL behind it."""
