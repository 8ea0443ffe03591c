"""Signs what is sent to webhooks as Standard Webhooks says (standardwebhooks.com): its libraries verify it."""

import base64
import binascii
import hashlib
import hmac

SECRET_PREFIX = "whsec_"
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
"""As the specification says."""


def make_secret(entropy: bytes) -> str:
    """Returns a secret as it is shown to people."""
    return SECRET_PREFIX + base64.b64encode(entropy).decode()


def secret_bytes(secret: str) -> bytes | None:
    """Returns the key in a secret, with or without its prefix; None if it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES else None


def signed_headers(secret: str, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """Returns the headers that make a body verifiable.

    Args:
        secret: A secret that `secret_bytes` takes.
        message_id: Stays the same when it is sent again.
        at_s: Unix time of this attempt, in seconds.
        body: As it is sent.
    """
    key = secret_bytes(secret)
    assert key is not None
    digest = hmac.digest(key, f"{message_id}.{at_s}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
