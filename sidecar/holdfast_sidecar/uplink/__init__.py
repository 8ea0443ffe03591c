"""Carries debits to the ledger and rights back: a sans-I/O protocol and the runner that gives it a stream."""
