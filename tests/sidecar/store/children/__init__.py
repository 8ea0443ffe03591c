"""Programs that the store's tests start, kill, trace and starve."""
