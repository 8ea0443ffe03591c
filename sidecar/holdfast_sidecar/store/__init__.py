"""Keeps the engine's state in LMDB, one transaction a batch."""
