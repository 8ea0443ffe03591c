"""The revenue books: what is deferred and earned by month, months that are closed, the chain that seals the journal."""
