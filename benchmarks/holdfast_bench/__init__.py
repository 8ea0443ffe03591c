"""Measures Holdfast: load, scenarios, reports; and replays real work as a demonstration."""
