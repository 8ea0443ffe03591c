"""What is metered at the ledger: events taken in, counted by meters, and charged."""
