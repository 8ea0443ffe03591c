"""Who may call what: credentials, what each may do, and the trail of changes."""
