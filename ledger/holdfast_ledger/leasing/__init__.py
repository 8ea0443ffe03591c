"""How the rights of a pool are shared out among sidecars."""
