"""Streams. A package, so that the broker ends with the last of its tests."""
