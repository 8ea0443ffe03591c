"""`holdfast demo`: one host end to end on real processes, with a crash on the way and a reconciliation at the end.

`cli` plays the acts; `plan` says which calls come when and what the wallet holds; `stage` starts ledger and sidecar;
`agents` make the calls; `watch` looks at it all and `view` shows it; `reconciliation` compares what agents, sidecar
and ledger say; `report` prints it.
"""
