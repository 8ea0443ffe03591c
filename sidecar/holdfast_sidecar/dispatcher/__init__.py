"""Turns bytes into operations and answers into bytes; checks shapes and ranges, decides nothing."""
