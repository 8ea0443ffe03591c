"""Defects that the simulator has found and that are not mended yet: what they look like, and what they are.

A run that ends in one of them does not fail. Each is removed from here together with its defect.
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
