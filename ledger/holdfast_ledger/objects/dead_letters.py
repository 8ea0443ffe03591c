"""Where rows go that cannot be counted: JSON lines that say what each was, and why not.

A line is {"row": its number, "field": …, "reason": …, "original": the row as it was read}, with "original_base64" for
bytes that are no text. An object's rows go to PATH.bad/VERSION/NUMBER.jsonl, where the number is that of the first
of them: what is taken in twice after a crash is written twice to the same place.
"""

import base64
import hashlib
import json
from collections.abc import Sequence

from obstore.store import ObjectStore

from holdfast_ledger.objects.pieces import DeadRow
from holdfast_ledger.objects.stores import written
from holdfast_ledger.store.object_rows import FoundObject, IngestedObject


def dead_letter_path(found: FoundObject | IngestedObject, first_number: int) -> str:
    """Returns where dead rows of an object go, of which the first has a number."""
    version = hashlib.sha256(found.version.encode()).hexdigest()[:12]
    return f"{found.path}.bad/{version}/{first_number:012}.jsonl"


def line_of(dead: DeadRow) -> str:
    """Returns what is told of a row."""
    told: dict[str, str | int] = {"row": dead.number, "field": dead.field, "reason": dead.reason}
    if isinstance(dead.original, bytes):
        told["original_base64"] = base64.b64encode(dead.original).decode()
    else:
        told["original"] = dead.original
    return json.dumps(told) + "\n"


class DeadLetters:
    """Writes the dead rows of a source's objects."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        """`prefix`: what paths begin with in that store; empty: nothing."""
        self._store = store
        self._prefix = prefix

    def write(self, found: FoundObject | IngestedObject, dead: Sequence[DeadRow]) -> None:
        """Writes rows. Raises `StoreFault`."""
        if dead:
            path = self._prefix + dead_letter_path(found, dead[0].number)
            written(self._store, path, "".join(map(line_of, dead)).encode())
