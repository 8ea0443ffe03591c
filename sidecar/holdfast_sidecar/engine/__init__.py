"""The decisions: state in, operations and time in, effects out. No I/O, no threads, no clock, no randomness."""
