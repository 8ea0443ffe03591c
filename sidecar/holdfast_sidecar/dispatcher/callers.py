"""Who makes a call: how callers are known, and the short name of each that is kept with what it has debited.

Upstream: the transport's `peer`, see `transport.interface.Item`. Neighbour: `gate`, which asks who may report.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

MAX_CALLER_BYTES = 64
"""Of a name: it is kept with every debit."""
NAMES_CACHED = 1024
"""Names at hand, by connection and token: those of a busy host. With the longest tokens they take 8 MB."""
TOKEN_DIGITS = 8
"""Of a token's hash in a name: enough to tell tokens apart, and nothing to find one by."""
SCHEME = "bearer "

_TOKEN_MARK = " token:"
_MAPPED = "::ffff:"


class Known(Protocol):
    """How a credential knows its caller; see `credentials.Credential`."""

    @property
    def name(self) -> str:
        """What it is called, at most `MAX_CALLER_BYTES`."""

    @property
    def token_sha256(self) -> str:
        """Hexadecimal hash of its token; empty: it is known otherwise."""

    @property
    def uid(self) -> int | None:
        """Uid on the Unix socket."""

    @property
    def address(self) -> str:
        """Address on TCP."""


def caller_names(credentials: Iterable[Known]) -> Callable[[str], str]:
    """Returns what names the caller of a call by its `peer`.

    The name of its credential; else where it connects from, and behind it what tells its token, which nobody vouches
    for. Never a token.
    """
    names = {identity_of(credential): credential.name for credential in credentials}

    @lru_cache(maxsize=NAMES_CACHED)
    def name_of(peer: str) -> str:
        connection, _, authorization = peer.partition(" ")
        end = end_of(connection)
        token = token_of(authorization)
        if not token:
            return names.get(end) or _place(end)[:MAX_CALLER_BYTES]
        token_hash = hash_of(token)
        shown = _TOKEN_MARK + token_hash[:TOKEN_DIGITS]
        return names.get(token_hash) or _place(end)[: MAX_CALLER_BYTES - len(shown)] + shown

    return name_of


def identity_of(credential: Known) -> str:
    """Returns what a credential knows its caller by: the hash of a token, or as `end_of`."""
    if credential.token_sha256:
        return credential.token_sha256
    return f"tcp:{credential.address}" if credential.uid is None else f"unix:uid={credential.uid}"


def end_of(connection: str) -> str:
    """Returns who is at the other end of a connection, whatever the process or port."""
    if connection.startswith("unix:"):
        return connection.partition(",")[0]
    host, _, _port = connection.removeprefix("tcp:").rpartition(":")
    host = host.strip("[]")
    # Who connects by IPv4 to a listener of both has its address in this form (RFC 4291, 2.5.5.2).
    return f"tcp:{host.removeprefix(_MAPPED) if '.' in host else host}"


def token_of(authorization: str) -> str:
    """Returns the token of `authorization` metadata; empty: there is none."""
    return authorization[len(SCHEME) :].strip() if authorization[: len(SCHEME)].lower() == SCHEME else ""


def hash_of(token: str) -> str:
    """Returns the hexadecimal SHA-256 of a token."""
    return sha256(token.encode(errors="replace")).hexdigest()


def _place(end: str) -> str:
    return end.replace("unix:uid=", "uid:", 1).replace("tcp:", "address:", 1)
