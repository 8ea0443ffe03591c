"""The histogram: buckets that keep values to an eighth, quantiles and means of what was seen, forgetting."""

import random

import pytest
from holdfast_rating.histogram import BUCKET_COUNT, VALUE_LIMIT, Histogram, bucket_of, highest, lowest
from hypothesis import given
from hypothesis import strategies as st


def test_buckets_follow_one_another_without_a_gap() -> None:
    for bucket in range(BUCKET_COUNT):
        assert bucket_of(lowest(bucket)) == bucket_of(highest(bucket)) == bucket
        assert highest(bucket) + 1 == lowest(bucket + 1)
        assert (highest(bucket) - lowest(bucket)) * 8 <= lowest(bucket)


def test_what_is_longer_than_the_limit_counts_as_the_limit() -> None:
    assert bucket_of(VALUE_LIMIT) == bucket_of(10**12) == BUCKET_COUNT - 1


@given(st.lists(st.integers(0, VALUE_LIMIT), min_size=1, max_size=60), st.sampled_from([5_000, 9_000, 9_900]))
def test_a_forecast_of_few_values_is_their_quantile_and_mean_to_an_eighth(values: list[int], quantile_bp: int) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    forecast = histogram.forecast(0, quantile_bp)
    # Newer values weigh up to a quarter more than the first of sixty.
    weights = [(257 / 256) ** index for index in range(len(values))]
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    assert mean * 0.93 - 1 <= forecast.mean <= mean * 1.07 + 1
    below = sum(w for w, v in zip(weights, values, strict=True) if v <= forecast.high)
    assert below >= 0.999 * quantile_bp / 10_000 * sum(weights)
    assert forecast.mean <= forecast.high <= max(forecast.mean, highest(bucket_of(max(values))))


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=200), st.integers(0, 10_000))
def test_what_has_come_so_far_will_come_further(values: list[int], passed: int) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    forecast = histogram.forecast(passed, 9_900)
    assert passed < forecast.mean <= forecast.high or (passed == 0 and forecast.high >= forecast.mean >= 0)


def test_an_old_habit_is_forgotten() -> None:
    histogram = Histogram()
    for _ in range(5_000):
        histogram.add(4_000)
    for _ in range(1_500):
        histogram.add(100)
    forecast = histogram.forecast(0, 9_900)
    assert forecast.mean < 130
    assert forecast.high < 130


def test_a_forecast_follows_what_is_new_however_much_was_seen() -> None:
    histogram = Histogram()
    for _ in range(20_000):
        histogram.add(4_000)
    before = histogram.forecast(0, 9_900)
    for _ in range(200):
        histogram.add(100)
    assert histogram.forecast(0, 9_900).mean < 0.7 * before.mean


@pytest.mark.parametrize("seed", range(3))
def test_weights_stay_bounded_and_the_forecast_right_over_very_many_values(seed: int) -> None:
    """The weights are scaled down on the way, several times."""
    chance = random.Random(seed)
    histogram = Histogram()
    for _ in range(20_000):
        histogram.add(round(chance.lognormvariate(5, 0.7)))
    assert sum(histogram.weights) < 2**45
    forecast = histogram.forecast(0, 9_500)
    assert 165 < forecast.mean < 220
    assert 380 < forecast.high < 620
