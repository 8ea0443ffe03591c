"""The usage store: what was used and spent, in columns, fed from the ledger's database and rebuildable from it.

`feed` reads the ledger, `schema` has the tables, `database` is what queries see. The `worker` process has the embedded
engine; the ledger reaches it through `remote`, a cluster through `cluster`.
"""
