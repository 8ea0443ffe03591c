"""Only 2xx counts, redirects are not followed, and nothing is posted to the ledger's neighbours."""

import pytest
from holdfast_ledger.delivery.posting import NotDelivered, Poster, is_public

from tests.ledger.delivery.receiver import receiving


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fd00::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_what_is_posted_arrives_whole() -> None:
    async with receiving() as receiver:
        poster = Poster(allow_private=True)
        await poster.post(f"{receiver.url}/hook?a=b", {"webhook-id": "e"}, b'{"x": 1}')
        await poster.close()
        (request,) = receiver.requests
        assert (request.target, request.body) == ("/hook?a=b", b'{"x": 1}')
        assert request.headers["webhook-id"] == "e"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["host"] == receiver.url.removeprefix("http://")


@pytest.mark.parametrize(("status", "final"), [(301, False), (404, False), (410, True), (500, False)])
async def test_all_but_2xx_is_not_delivered(status: int, final: bool) -> None:
    async with receiving() as receiver:
        receiver.status = status
        poster = Poster(allow_private=True)
        with pytest.raises(NotDelivered, match=str(status)) as caught:
            await poster.post(receiver.url, {}, b"{}")
        await poster.close()
        assert caught.value.final is final
        assert len(receiver.requests) == 1, "no redirect is followed"


async def test_a_receiver_that_does_not_answer_is_left() -> None:
    async with receiving() as receiver:
        receiver.answers = False
        poster = Poster(allow_private=True, timeout_s=0.1)
        with pytest.raises(NotDelivered):
            await poster.post(receiver.url, {}, b"{}")
        await poster.close()


async def test_private_addresses_and_plain_http_are_not_posted_to() -> None:
    async with receiving() as receiver:
        poster = Poster()
        with pytest.raises(NotDelivered, match="not https"):
            await poster.post(receiver.url, {}, b"{}")
        with pytest.raises(NotDelivered, match="not public"):
            await poster.post(receiver.url.replace("http:", "https:").replace("127.0.0.1", "localhost"), {}, b"{}")
        await poster.close()
        assert receiver.requests == []
        assert receiver.connection_count == 0
