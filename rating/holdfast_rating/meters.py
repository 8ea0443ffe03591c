"""The meters that a rate card can price, and which price holds for one that a model does not price apart."""

from collections.abc import Mapping
from enum import StrEnum

INT64_MAX = 2**63 - 1


class Meter(StrEnum):
    """What is counted. An operation counts each unit under one meter alone: cached tokens are not input tokens too."""

    INPUT = "input"
    """Tokens read afresh."""
    CACHED_INPUT = "cached_input"
    """Tokens read from a cache."""
    CACHE_WRITE = "cache_write"
    """Tokens written to a cache."""
    OUTPUT = "output"
    """Tokens written and shown."""
    REASONING = "reasoning"
    """Tokens written and not shown."""
    IMAGES = "images"
    REQUESTS = "requests"
    SECONDS = "seconds"


PRICED_AS: Mapping[Meter, Meter] = {
    Meter.CACHED_INPUT: Meter.INPUT,
    Meter.CACHE_WRITE: Meter.INPUT,
    Meter.REASONING: Meter.OUTPUT,
}
"""Whose price holds where a model has none for a meter: the tokens are of that kind, without a rebate of their own."""
