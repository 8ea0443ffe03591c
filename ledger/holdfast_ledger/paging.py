"""Page tokens: opaque to the caller, the key of the last row to us, tied to the list that they belong to."""

import base64
import binascii
import json
from collections.abc import Sequence

from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.validation import check_range

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000

Key = Sequence[int | str]


def page_limit(page_size: int) -> int:
    """Returns the rows of a page; 0 asks for the default. Raises `InvalidArgument`."""
    check_range("page_size", page_size, 0, MAX_PAGE_SIZE)
    return page_size or DEFAULT_PAGE_SIZE


def write_token(scope: Sequence[str], key: Key) -> str:
    """Returns the token of the page after the row with this key."""
    return base64.urlsafe_b64encode(json.dumps([list(scope), list(key)]).encode()).decode()


def read_token(scope: Sequence[str], token: str, kinds: Sequence[type]) -> tuple[int | str, ...] | None:
    """Returns the key in a token, None for the first page. Raises `InvalidArgument` for a token of another list."""
    if not token:
        return None
    try:
        content = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, RecursionError) as fault:
        raise InvalidArgument("page_token", "is not a token of this ledger") from fault
    if not isinstance(content, list) or len(content) != 2 or content[0] != list(scope):
        raise InvalidArgument("page_token", "is a token of another list")
    key = content[1]
    if not isinstance(key, list) or [type(part) for part in key] != list(kinds):
        raise InvalidArgument("page_token", "is not a token of this ledger")
    if any(isinstance(part, int) and not 0 <= part < 2**63 for part in key):
        raise InvalidArgument("page_token", "is not a token of this ledger")
    return tuple(key)
