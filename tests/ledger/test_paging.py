"""Page tokens come back as they were given, to the list that gave them; whatever else comes is refused."""

import base64
import json

import pytest
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.paging import read_token, write_token

SCOPE = ("entries", "a")


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def test_a_token_comes_back_as_it_was_given() -> None:
    assert read_token(SCOPE, write_token(SCOPE, [7, "x"]), [int, str]) == (7, "x")
    assert read_token(SCOPE, "", [int]) is None


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "é",
        "\ud800",
        base64.urlsafe_b64encode(b"[" * 200_000).decode(),
        base64.urlsafe_b64encode(b"\xff").decode(),
        encoded("entries"),
        encoded([["entries", "b"], [7]]),
        encoded([["entries", "a"], 7]),
        encoded([["entries", "a"], [True]]),
        encoded([["entries", "a"], [-1]]),
        encoded([["entries", "a"], [2**63]]),
        encoded([["entries", "a"], ["7"]]),
        encoded([["entries", "a"], [7, 7]]),
    ],
    ids=range(13),
)
def test_what_is_no_token_of_the_list_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_token(SCOPE, token, [int])
    assert caught.value.metadata == {"field": "page_token"}
