"""Which objects of a source are there to be taken in."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from obstore.store import ObjectStore

from holdfast_ledger.objects.config import Format, Source
from holdfast_ledger.objects.stores import listed
from holdfast_ledger.objects.unpacking import plain_path
from holdfast_ledger.store.object_rows import FoundObject

DEAD_LETTERS = re.compile(r"\.bad/[^/]+/\d+\.jsonl$")
"""Paths of what this package writes beside objects: they are no objects of a source."""

_SUFFIXES = {
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".json": Format.JSON_LINES,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}


def format_of(path: str, source: Source) -> Format | None:
    """Returns what an object holds, as its source or its suffix says; None: neither does."""
    if source.format is not None:
        return source.format
    plain = plain_path(path).lower()
    return next((found for suffix, found in _SUFFIXES.items() if plain.endswith(suffix)), None)


def is_wanted(path: str, source: Source) -> bool:
    """Returns whether a path is one of a source's objects."""
    return (
        not path.endswith("/")
        and fnmatchcase(path, source.pattern)
        and not DEAD_LETTERS.search(path)
        and format_of(path, source) is not None
    )


def wanted(store: ObjectStore, source: Source, now_ms: int) -> Iterator[list[FoundObject]]:
    """Lists a source's objects, some at a time. Raises `StoreFault`."""
    young_ms = source.min_age_ms if source.url.startswith("file:") else 0
    for found in listed(store, source.prefix):
        yield [one for one in found if is_wanted(one.path, source) and one.modified_at_ms <= now_ms - young_ms]
