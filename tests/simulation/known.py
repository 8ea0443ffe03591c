"""Defects that the simulator has found and that are not mended yet: what they look like, and what they are.

A run that ends in one of them does not fail. Each is removed from here together with its defect.

Two more are kept out of runs instead, since nothing tells them from what is excused:

- A folder copied while the ledger's Welcome is not durable there: both copies bear one instance, the ledger takes them
  for one process that reconnects, and neither is fenced (`faults._copy` does not copy then).
- A folder that goes back to an older copy with the same last sequence is taken in with the returned totals of that
  copy: rights that it has given back since are there again, and the ledger does not tell it (`disagreement` passes it).
"""

import re

KNOWN: tuple[tuple[str, str], ...] = (
    (
        r"BAD_MESSAGE.*returned_total: gives back",
        "rights given back while cut off, then debits beyond them (late, over a hold, OPTIMISTIC, FAIL_OPEN) that are "
        "posted first: the return is refused on every stream from then on",
    ),
)
"""(pattern of the violation, what it is)."""


def known_reason(violation: str) -> str:
    """Returns what a violation is if it is a known one, else nothing."""
    return next((reason for pattern, reason in KNOWN if re.search(pattern, violation)), "")
