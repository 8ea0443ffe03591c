"""What subjects may do: budgets and their periods, limits, plans and rate cards."""
