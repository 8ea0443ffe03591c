"""Cards: what was told last is in force, unless it cannot be read; what is wanted and not here is asked for."""

import zlib

import pytest
from holdfast_rating.cards import InvalidRateCard
from holdfast_sidecar.engine import cards
from holdfast_sidecar.engine.cards import Cards
from holdfast_sidecar.engine.rules import RateCardContent

from tests.sidecar.engine.rate_cards import card_content

FIRST, SECOND = card_content(revision=1), card_content(revision=2)
BROKEN = RateCardContent("models", 2, b"no stream of zlib")


def test_what_was_told_last_is_in_force() -> None:
    held = Cards()
    assert held.rates("models") is None
    assert held.take([FIRST]) == [FIRST]
    before = held.rates("models")
    assert held.take([SECOND]) == [SECOND]
    assert held.rates("models") is not before


def test_a_ledger_that_was_restored_goes_back_to_an_earlier_revision() -> None:
    held = Cards()
    held.take([SECOND])
    held.want("models", 1)
    assert held.take_ask() == ("models",)
    assert held.take([FIRST], ["models"]) == [FIRST]
    assert held.take_ask() == ()


def test_the_revision_that_is_here_is_not_read_again() -> None:
    held = Cards()
    held.take([FIRST])
    rates = held.rates("models")
    assert held.take([FIRST]) == []
    assert held.rates("models") is rates


def test_what_another_thread_has_read_is_not_read_again() -> None:
    held, rates = Cards(), cards.read(FIRST)
    held.take([RateCardContent("models", 1, b"not looked at", rates)])
    assert held.rates("models") is rates


def test_a_card_that_cannot_be_read_leaves_the_last_good_one_in_force_and_is_counted_once() -> None:
    held = Cards()
    held.take([FIRST])
    rates = held.rates("models")
    assert held.take([BROKEN]) == held.take([BROKEN]) == []
    assert held.rates("models") is rates
    assert held.refused_count == 1


def test_a_card_that_cannot_be_read_is_not_asked_for_again_before_it_changes() -> None:
    held = Cards()
    held.want("models", 2)
    held.take([BROKEN], ["models"])
    held.want("models", 2)
    assert held.take_ask() == ()
    held.want("models", 3)
    assert held.take_ask() == ("models",)


def test_what_is_wanted_is_asked_for_once_until_it_is_here_or_said_not_to_exist() -> None:
    held = Cards()
    held.want("models", 1)
    held.want("voices", 4)
    assert held.take_ask() == ("models", "voices")
    held.want("models", 1)
    assert held.take_ask() == ()
    assert held.is_missing("voices")
    held.take([FIRST], ["models", "voices"])
    assert not held.is_missing("voices")
    held.want("models", 1)
    assert held.take_ask() == ()


def test_what_was_asked_for_on_a_stream_that_closed_is_asked_for_again() -> None:
    held = Cards()
    held.want("models", 1)
    held.take_ask()
    held.stream_closed()
    assert held.take_ask() == ("models",)


def test_no_more_is_asked_for_at_a_time_than_the_contract_allows() -> None:
    held = Cards()
    for number in range(cards.ASK_LIMIT + 4):
        held.want(f"card-{number}", 1)
    assert [len(held.take_ask()) for _ in range(3)] == [cards.ASK_LIMIT, 4, 0]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "content"),
        (b"\x00\x01", "content"),
        (FIRST.content[:-3], "content"),
        (FIRST.content + b"more", "content"),
        (zlib.compress(b"\xff\xfe"), "content"),
        (zlib.compress(b"{"), "file"),
        (zlib.compress(b'{"card_id": "models"}'), "versions"),
    ],
)
def test_what_is_no_whole_card_is_refused_with_the_field(content: bytes, field: str) -> None:
    with pytest.raises(InvalidRateCard) as caught:
        cards.read(RateCardContent("models", 1, content))
    assert caught.value.field == field


def test_a_small_stream_that_unpacks_to_more_than_a_card_may_have_is_refused() -> None:
    with pytest.raises(InvalidRateCard, match="one whole stream"):
        cards.read(RateCardContent("models", 1, zlib.compress(b" " * (cards.MAX_TEXT_BYTES + 1))))
