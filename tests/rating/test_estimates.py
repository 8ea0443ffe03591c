"""What is learned: from nothing, at the most special level that has seen enough, kept as bytes, within bounds."""

import random

import pytest
from holdfast_rating.estimates import EstimateLimits, Estimates
from hypothesis import given
from hypothesis import strategies as st

QUANTILE_BP = 9_900


def learned(*works: tuple[str, str, str, int], limits: EstimateLimits | None = None) -> Estimates:
    estimates = Estimates(QUANTILE_BP, limits)
    for account_id, model, feature, tokens in works:
        estimates.observe(account_id, model, feature, tokens)
    return estimates


def test_nothing_is_known_at_first() -> None:
    assert learned().forecast("acme", "gpt-5", "chat") is None
    assert learned(*[("acme", "gpt-5", "chat", 100)] * 99).forecast("acme", "gpt-5", "chat") is None


@pytest.mark.parametrize(
    ("asked", "mean"),
    [
        (("acme", "gpt-5", "chat"), 100),
        (("new", "gpt-5", "chat"), 450),
        (("acme", "gpt-5", "new"), 450),
        (("acme", "new", "chat"), None),
    ],
)
def test_the_most_special_level_that_saw_enough_is_asked(asked: tuple[str, str, str], mean: int | None) -> None:
    works = [("acme", "gpt-5", "chat", 100), ("other", "gpt-5", "chat", 800)] * 100
    forecast = learned(*works).forecast(*asked)
    assert forecast is None if mean is None else forecast is not None and abs(forecast.mean - mean) < mean / 8


def test_a_key_with_few_samples_falls_back() -> None:
    works = [("acme", "gpt-5", "chat", 100)] * 200 + [("small", "gpt-5", "chat", 5_000)] * 5
    forecast = learned(*works).forecast("small", "gpt-5", "chat")
    assert forecast is not None
    assert forecast.mean < 1_000


def test_work_that_was_cut_short_counts_as_what_it_would_have_come_to() -> None:
    works = [("acme", "gpt-5", "chat", tokens) for tokens in (100, 900) * 100]
    cut, ended = learned(*works), learned(*works)
    for _ in range(50):
        cut.observe("acme", "gpt-5", "chat", 200, cut_short=True)
        ended.observe("acme", "gpt-5", "chat", 200)
    by_cut, by_ended = cut.forecast("acme", "gpt-5", "chat"), ended.forecast("acme", "gpt-5", "chat")
    assert by_cut is not None
    assert by_ended is not None
    assert by_cut.mean > 1.2 * by_ended.mean


def test_the_number_of_keys_is_bounded_and_the_stalest_goes() -> None:
    limits = EstimateLimits(min_samples=1, max_keys=6)
    estimates = learned(*[(f"account-{n}", f"model-{n}", "chat", 100) for n in range(50)], limits=limits)
    assert estimates.forecast("account-49", "model-49", "chat") is not None
    assert estimates.forecast("account-48", "model-48", "chat") is not None
    assert estimates.forecast("account-47", "model-47", "chat") is None


def test_what_was_learned_is_kept_as_bytes() -> None:
    chance = random.Random(1)
    works = [(f"a{n % 3}", "gpt-5", "chät", round(chance.lognormvariate(5, 1))) for n in range(2_000)]
    before, after = learned(*works), Estimates(QUANTILE_BP)
    after.load(before.to_bytes())
    assert after.to_bytes() == before.to_bytes()
    for estimates in (before, after):
        estimates.observe("a1", "gpt-5", "chät", 77)
    assert after.to_bytes() == before.to_bytes()
    assert after.forecast("a1", "gpt-5", "chät", 64) == before.forecast("a1", "gpt-5", "chät", 64)


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_and_change_nothing(data: bytes) -> None:
    estimates = learned(*[("acme", "gpt-5", "chat", 100)] * 200)
    kept = estimates.to_bytes()
    try:
        estimates.load(data)
    except ValueError:
        assert estimates.to_bytes() == kept
    else:
        assert estimates.to_bytes() == data


@given(st.data())
def test_bytes_that_were_cut_off_are_refused(data: st.DataObject) -> None:
    kept = learned(*[("acme", "gpt-5", "chat", n) for n in range(200)]).to_bytes()
    with pytest.raises(ValueError, match="estimates"):
        Estimates(QUANTILE_BP).load(kept[: data.draw(st.integers(0, len(kept) - 1))])
