"""What is signed is verified by the libraries of Standard Webhooks: their own test vector."""

import pytest
from holdfast_ledger.delivery.signing import make_secret, secret_bytes, signed_headers


@pytest.mark.parametrize("prefix", ["", "whsec_"])
def test_the_vector_of_standard_webhooks(prefix: str) -> None:
    secret = f"{prefix}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert signed_headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_is_read_as_it_was_made() -> None:
    assert secret_bytes(make_secret(b"x" * 32)) == b"x" * 32


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!!", "c2hvcnQ=", make_secret(b"x" * 65), make_secret(b"x" * 23)]
)
def test_what_is_no_secret(secret: str) -> None:
    assert secret_bytes(secret) is None
