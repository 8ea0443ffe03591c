"""The names of windows: the id of a budget or limit, U+001F, and which window of it. No pool can have such a name."""

import re
from dataclasses import dataclass
from functools import lru_cache

from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.store.window_rows import WindowKind
from holdfast_ledger.validation import check_id, check_optional_id

MARK = "\x1f"
CONCURRENCY, RATE = "c", "r"

_START = re.compile(r"0|[1-9][0-9]{0,14}")
"""Written in one way only, so that a window has one name."""


NAMES_CACHED = 4_096
"""Names that are at hand taken apart: the same ones come with every run of debits."""


@dataclass(frozen=True, slots=True)
class WindowName:
    """A name, taken apart."""

    rule_id: str
    kind: WindowKind
    starts_at_ms: int = 0
    """Of the budget's period; 0: a rolling budget, or no budget."""


@lru_cache(maxsize=NAMES_CACHED)
def parse(name: str) -> WindowName | None:
    """Takes a name apart; None: it is not that of a window."""
    rule_id, mark, part = name.partition(MARK)
    if not mark:
        return None
    try:
        check_id("rule_id", rule_id)
    except InvalidArgument:
        return None
    if part == CONCURRENCY:
        return WindowName(rule_id, WindowKind.CONCURRENCY)
    if part == RATE:
        return WindowName(rule_id, WindowKind.RATE)
    return WindowName(rule_id, WindowKind.BUDGET, int(part)) if _START.fullmatch(part) else None


def window_name(budget_id: str, starts_at_ms: int) -> str:
    """Returns the name of a budget's window; 0: of a rolling budget."""
    return f"{budget_id}{MARK}{starts_at_ms}"


def check_leased_id(field: str, name: str) -> None:
    """Checks the name of what is leased: of a pool, possibly none, or of a window. Raises `InvalidArgument`."""
    if parse(name) is None:
        check_optional_id(field, name)
