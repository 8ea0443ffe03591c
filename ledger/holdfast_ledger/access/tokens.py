"""Tokens of credentials: random, told once, known by their hash."""

import hashlib
import secrets

PREFIX = "hf_"
SCHEME = "bearer "
TOKEN_BYTES = 32
"""Of randomness: a plain hash is enough for what cannot be guessed."""
SHOWN_CHARS = 4


def new_token() -> str:
    """Draws a token."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> bytes:
    """Returns what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def token_of(authorization: str) -> str:
    """Returns the token of an `authorization` header, empty if it holds none."""
    if authorization[: len(SCHEME)].lower() != SCHEME:
        return ""
    return authorization[len(SCHEME) :].strip()
