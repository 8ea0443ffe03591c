"""Rating: what quantities cost, and how much output to expect. Shared by sidecar and ledger; without I/O."""
