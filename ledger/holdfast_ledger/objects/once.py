"""Objects that are taken in once, because somebody asks for it: which they are, a rehearsal, and the work itself."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast_ledger.objects.checking import Checker
from holdfast_ledger.objects.config import IngestConfig, Source
from holdfast_ledger.objects.header import BadHeader
from holdfast_ledger.objects.listing import is_wanted, wanted
from holdfast_ledger.objects.opening import open_source
from holdfast_ledger.objects.pieces import DeadRow
from holdfast_ledger.objects.reading import read_object
from holdfast_ledger.objects.stores import ObjectGone, StoreFault, look_up
from holdfast_ledger.objects.taking import OpenSource, Taker
from holdfast_ledger.objects.unpacking import Damaged
from holdfast_ledger.store.interface import Store
from holdfast_ledger.store.object_rows import FoundObject, IngestedObject, ObjectState

WAIT_S = 0.2
"""Between looks at objects that another worker has, or that are to be tried again."""
SHOWN_ROWS = 10
"""Bad rows of an object that a rehearsal shows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Objects of one source that somebody asks for."""

    opened: OpenSource
    found: tuple[FoundObject, ...]


def asked_for(url: str, config: IngestConfig, other: Callable[[str, str], Source], now_ms: int) -> Asked:
    """Returns the objects that a URL names: one, or all below it that are a source's.

    Args:
        url: Of an object or a folder; a path is a file's.
        config: Its sources say what is in objects below their URLs, under their names.
        other: Makes the source of other objects, of a name and a URL.
        now_ms: The time.

    Raises:
        StoreFault: The store cannot be reached.
        IngestConfigError: The URL is none.
    """
    url = url if "://" in url else Path(url).absolute().as_uri()
    named = [source for source in config.sources if f"{url}/".startswith(source.url.rstrip("/") + "/")]
    if named:
        source = max(named, key=lambda one: len(one.url))
        return _below(source, url.removeprefix(source.url.rstrip("/")).strip("/"), now_ms)
    url = url.rstrip("/")
    folder, _, name = url.rpartition("/")
    if not folder.endswith("/") and (one := _named(open_source(other(_name(folder), folder)), name)):
        return one
    return _below(other(_name(url), url), "", now_ms)


def _name(url: str) -> str:
    return f"once-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def _named(opened: OpenSource, path: str) -> Asked | None:
    try:
        return Asked(opened, (look_up(opened.store, path),))
    except ObjectGone:
        return None


def _below(source: Source, path: str, now_ms: int) -> Asked:
    opened = open_source(source)
    if path and (named := _named(opened, path)):
        return named
    below = source.model_copy(update={"prefix": path or source.prefix, "min_age_ms": 0})
    found = [one for some in wanted(opened.store, below, now_ms) for one in some if is_wanted(one.path, source)]
    return Asked(opened, tuple(found))


@dataclass(slots=True)
class Rehearsal:
    """What would become of an object."""

    found: FoundObject
    row_count: int = 0
    dead_count: int = 0
    dead: Sequence[DeadRow] = ()
    """The first of them."""
    fault: str = ""
    """Why it would fail; empty: it would not."""


def rehearsed(asked: Asked, checker: Checker) -> Iterator[Rehearsal]:
    """Reads objects and takes nothing in."""
    for found in asked.found:
        result = Rehearsal(found)
        try:
            for piece in read_object(asked.opened.store, asked.opened.source, found, checker):
                result.row_count += piece.row_count
                result.dead_count += len(piece.dead)
                result.dead = [*result.dead, *piece.dead][:SHOWN_ROWS]
        except (Damaged, BadHeader, ObjectGone, StoreFault) as fault:
            result.fault = str(fault)
        yield result


def taken(asked: Asked, store: Store, taker: Taker, now_ms: Callable[[], int]) -> Iterator[IngestedObject]:
    """Takes objects in, and yields each when it is done or failed; also those that were before."""
    source = asked.opened.source
    with store.writing() as writer:
        writer.add_objects(source.name, asked.found, now_ms())
        left = {row.object_key: row for row in writer.objects_named(source.name, asked.found)}
    while True:
        with store.reading() as reader:
            rows = [row for key in left if (row := reader.object(key)) is not None]
        for row in rows:
            if row.state in {ObjectState.DONE, ObjectState.FAILED}:
                del left[row.object_key]
                yield row
        if not left:
            return
        if taker.take_next([asked.opened], list(left)) is None:
            time.sleep(WAIT_S)
