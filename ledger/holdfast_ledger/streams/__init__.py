"""Kafka: what the ledger tells in streams, and events that it takes from them."""
