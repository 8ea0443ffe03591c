"""The hash chain over the journal: what a link seals, as text, and its hash. Pure; `verify` recomputes it.

    hash = SHA-256(hash of the link before ‖ head ‖ newline ‖ text), the first link's before being 32 zero bytes

The head is the link's own columns but for the hash, with "|" between them. The text is what `BookReader.canonical`
reads: a line an entry, with its correction, its debit and, where one is put in or voided, its grant; or, in a link that
seals a closed month, that month. So nothing of it can be changed without changing every hash that follows.
"""

import hashlib

from holdfast_ledger.store.book_rows import ClosedPeriod, Link

FIRST = bytes(32)
"""What stands for the hash before the first link."""


def link_hash(before: bytes, link: Link, text: str) -> bytes:
    """Returns the hash of a link whose own `hash` is not looked at."""
    head = "|".join(map(str, link[:6]))
    return hashlib.sha256(b"".join((before, head.encode(), b"\n", text.encode()))).digest()


def closing_text(closed: ClosedPeriod) -> str:
    """Returns what is sealed of a closed month: all but the hash of the link that does it."""
    period, closed_at_ms, last_entry_key, policy, line_count, figures_hash, _ = closed
    numbers = f"{period}|{closed_at_ms}|{last_entry_key}|{line_count}"
    return f"{numbers}|{len(policy)}:{policy}|{figures_hash.hex()}"
