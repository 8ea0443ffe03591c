"""Public price lists as rate cards: pure functions from parsed data."""
