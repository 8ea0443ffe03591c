"""The streams of the sidecars: debits up, rights down."""
