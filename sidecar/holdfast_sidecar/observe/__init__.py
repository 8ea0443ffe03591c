"""What an operator sees: metrics, the admin port, logs. Reads snapshots; the decision path pays nothing for it."""
