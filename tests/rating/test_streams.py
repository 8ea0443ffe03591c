"""How much streams hold: alone a high quantile, together less each; more before they pass it, less when it is cheap."""

import pytest
from holdfast_rating.histogram import Forecast
from holdfast_rating.streams import Extend, Shrink, StreamPolicy, first_tokens, later_tokens, next_step
from hypothesis import given
from hypothesis import strategies as st

PLAIN = StreamPolicy(buffer_bp=0, common_bp=0)
FORECAST = Forecast(200, 600)


def test_a_stream_alone_holds_the_high_quantile() -> None:
    assert first_tokens(FORECAST, 0, 4_096, PLAIN) == 600
    assert later_tokens(FORECAST, 50, 1, 4_096, PLAIN) == 600


@pytest.mark.parametrize("count", [2, 10, 50, 1_000])
def test_together_they_hold_their_means_and_the_root_of_their_number_of_margins(count: int) -> None:
    together = 200 * count + 400 * count**0.5
    firsts = sum(first_tokens(FORECAST, running, 4_096, PLAIN) for running in range(count))
    assert together <= firsts <= together + count
    later = count * later_tokens(FORECAST, 0, count, 4_096, PLAIN)
    assert together <= later <= together + count


def test_what_they_have_in_common_does_not_even_out() -> None:
    alike = StreamPolicy(buffer_bp=0, common_bp=10_000)
    assert later_tokens(FORECAST, 0, 10_000, 4_096, alike) == 601
    assert later_tokens(FORECAST, 0, 10_000, 4_096, PLAIN) == 204


def test_the_buffer_is_on_what_is_still_to_come() -> None:
    buffered = StreamPolicy(buffer_bp=1_000, common_bp=0)
    assert first_tokens(FORECAST, 0, 4_096, buffered) == 660
    assert later_tokens(FORECAST, 500, 1, 4_096, buffered) == 610


@given(st.integers(0, 5_000), st.integers(0, 5_000), st.integers(0, 5_000), st.integers(1, 500), st.integers(1, 5_000))
def test_nothing_holds_more_than_the_most_that_it_may_write(
    mean: int, more: int, passed: int, count: int, most: int
) -> None:
    forecast = Forecast(mean, mean + more)
    assert 1 <= first_tokens(forecast, count, most, StreamPolicy()) <= most
    assert 1 <= later_tokens(forecast, passed, count, most, StreamPolicy()) <= most


@pytest.mark.parametrize(
    ("held", "wanted", "needed", "step"),
    [
        (1_000, 1_000, 500, None),
        (1_000, 1_060, 500, None),
        (1_000, 1_100, 500, Extend(100, -500)),
        (1_000, 1_010, 1_001, Extend(10, 1)),
        (1_000, 900, 1_200, Extend(200, 200)),
        (1_000, 800, 500, None),
        (1_000, 700, 500, Shrink(700)),
        (1_000, 400, 600, Shrink(600)),
    ],
)
def test_a_step_brings_a_hold_to_what_it_should_be(
    held: int, wanted: int, needed: int, step: Extend | Shrink | None
) -> None:
    assert next_step(held, wanted, needed) == step
