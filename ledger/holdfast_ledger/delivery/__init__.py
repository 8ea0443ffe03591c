"""Tells webhooks of events."""
