"""The hash chain over the journal: what a link seals, as bytes, and its hash. Pure; `verify` recomputes it.

    hash = SHA-256(hash of the link before ‖ JSON of [head, row, row, …]), the first link's before being 32 zero bytes

JSON without spaces, in ASCII. The head is the link's own columns but for the hash. A row is an entry with its
correction, its debit and, where it is put in or voided, its grant, as `canonical_rows` reads them; or, in a link that
seals a closed month, that month. So nothing of it can be changed without changing every hash that follows.
"""

import hashlib
import json
from collections.abc import Sequence

from holdfast_ledger.store.book_rows import CanonicalRow, ClosedPeriod, Link

FIRST = bytes(32)
"""What stands for the hash before the first link."""


def link_hash(before: bytes, link: Link, rows: Sequence[CanonicalRow]) -> bytes:
    """Returns the hash of a link whose own `hash` is not looked at."""
    return sealed(before, (tuple(link[:6]), *rows))


def sealed(before: bytes, rows: Sequence[CanonicalRow]) -> bytes:
    """Returns the hash of rows that follow a hash."""
    text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(before + text.encode("ascii")).digest()


def closing_row(closed: ClosedPeriod) -> CanonicalRow:
    """Returns what is sealed of a closed month: all but the hash of the link that does it."""
    return *closed[:5], closed.figures_hash.hex()
