"""Keeps the engine's state in LMDB, one transaction a batch.

`interface` says what a store is; `lmdb_store.open_store` opens the real one, `memory_store` is the reference.
`codec` has the record format; `folder`, `pages` and `space` guard the file; `verify` is `holdfast verify`.
"""
