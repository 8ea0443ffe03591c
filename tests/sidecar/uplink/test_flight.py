"""How many debits may be in flight: links that break at every length, and what they carry twice."""

from random import Random

import pytest
from holdfast_sidecar.uplink.flight import Flight

LIMIT = 100


def test_a_stream_begins_with_the_limit_and_each_acked_debit_allows_one_more() -> None:
    flight = Flight(LIMIT)
    flight.begin(50)
    assert flight.room_count(50) == LIMIT
    flight.sent(150)
    assert flight.room_count(50) == 0
    assert flight.room_count(80) == 60


def test_after_a_break_it_begins_with_half_of_what_came_through() -> None:
    flight = Flight(LIMIT)
    flight.begin(0)
    flight.sent(90)
    flight.begin(40)
    assert flight.room_count(40) == 20


@pytest.mark.parametrize("mark", [0, 1, 7])
def test_it_begins_with_one_at_least_even_where_the_mark_went_back(mark: int) -> None:
    flight = Flight(LIMIT)
    flight.begin(7)
    flight.sent(90)
    flight.begin(mark)
    assert flight.room_count(mark) == 1


def test_streams_that_sent_nothing_change_nothing() -> None:
    flight = Flight(LIMIT)
    flight.begin(0)
    flight.sent(60)
    for _ in range(3):
        flight.begin(30)
    assert flight.room_count(30) == 15


def test_an_ack_of_debits_that_an_earlier_stream_sent_leaves_all_its_room() -> None:
    flight = Flight(LIMIT)
    flight.begin(10)
    assert flight.room_count(30) == LIMIT + 20


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_link_does_little_is_sent_twice(seed: int) -> None:
    """Breaks at random lengths, acks that come late or not at all: the bound of the module's head holds."""
    chance = Random(seed)
    flight = Flight(LIMIT)
    made, mark, sent_count, stream_count = 20_000, 0, 0, 0
    longest = chance.choice([2, 30, 500, 5_000])
    while mark < made:
        flight.begin(mark)
        stream_count += 1
        sent = told = mark
        left = chance.randrange(longest)
        while sent < made and (room := flight.room_count(told)) > 0:
            sent_count += min(room, made - sent)
            sent = min(made, sent + room)
            flight.sent(sent)
            if sent - mark > left:
                mark += chance.randrange(left + 1)
                break
            left -= sent - mark
            mark = sent
            told = chance.choice([told, mark, mark])
    assert sent_count <= 2.5 * made + LIMIT + stream_count
