"""What a debit does to the grants of its pool, and how grants come and go."""
