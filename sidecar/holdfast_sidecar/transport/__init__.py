"""Moves bytes between callers and the decision loop; holds no rule of the domain."""
