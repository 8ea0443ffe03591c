"""What is learned: from nothing, at the most special level that has seen enough, kept as bytes, within bounds."""

import random

import pytest
from holdfast_rating.estimates import EstimateLimits, Estimates, Row
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


def rows_of(estimates: Estimates) -> list[Row]:
    return estimates.take_rows(estimates.changed_count)


WORKS = [
    (f"a{n % 3}", "gpt-5", "chät", round(random.Random(n).lognormvariate(5, 1))) for n in range(2_000)
]  # fmt: skip
ASKED = [("a1", "gpt-5", "chät"), ("new", "gpt-5", "chät"), ("new", "gpt-5", "")]


@pytest.mark.parametrize("passed", [0, 64, 700, 10**9])
@pytest.mark.parametrize("asked", ASKED)
def test_what_was_learned_is_the_same_from_its_rows_in_any_order(asked: tuple[str, str, str], passed: int) -> None:
    before = learned(*WORKS)
    rows = rows_of(before)
    after, shuffled = Estimates(QUANTILE_BP), Estimates(QUANTILE_BP)
    assert after.load(rows) == 0
    random.Random(1).shuffle(rows)
    assert shuffled.load(rows) == 0
    for work in WORKS[:300]:
        for estimates in (before, after, shuffled):
            estimates.observe(*work)
    assert before.forecast(*asked, passed) == after.forecast(*asked, passed) == shuffled.forecast(*asked, passed)


def test_only_what_changed_is_written_and_what_waits_longest_first() -> None:
    estimates = learned(("acme", "gpt-5", "chat", 100), ("acme", "gpt-5", "search", 100))
    assert estimates.changed_count == 5  # the model is one for both
    first = estimates.take_rows(3)
    second = estimates.take_rows(3)
    assert (len(first), len(second), estimates.changed_count) == (3, 2, 0)
    estimates.observe("acme", "gpt-5", "chat", 7)
    assert {key for key, _ in rows_of(estimates)} == {key for key, _ in first}


def test_rows_have_short_keys_however_long_the_names_are() -> None:
    estimates = learned(("a" * 128, "m" * 256, "f" * 256, 100))
    assert {len(key) for key, _ in rows_of(estimates)} == {16}


def test_names_that_run_together_are_kept_apart() -> None:
    estimates = learned(("c", "a", "b", 1), ("", "ab", "c", 1))
    assert len({key for key, _ in rows_of(estimates)}) == len(estimates) == 6


def test_the_row_of_what_is_forgotten_goes_and_one_never_written_is_not_removed() -> None:
    limits = EstimateLimits(min_samples=1, max_keys=3)
    estimates = learned(("a", "one", "chat", 100), limits=limits)
    written = dict(rows_of(estimates))
    for model in ("two", "three"):
        estimates.observe("a", model, "chat", 100)
    rows = dict(rows_of(estimates))
    assert {key for key, value in rows.items() if not value} == set(written)
    assert len(rows) == 6
    assert estimates.changed_count == 0


def test_a_limit_that_was_lowered_holds_at_the_next_start_and_the_stalest_goes() -> None:
    limits = EstimateLimits(min_samples=1, max_keys=3)
    before = learned(("a", "one", "chat", 100), ("a", "two", "chat", 100))
    after = Estimates(QUANTILE_BP, limits)
    assert after.load(rows_of(before)[::-1]) == 0
    assert after.forecast("a", "one", "chat") is None
    assert after.forecast("a", "two", "chat") is not None
    assert [value for _, value in rows_of(after)] == [b""] * 3


@given(st.binary(max_size=200))
def test_a_row_of_other_bytes_is_dropped_and_goes(data: bytes) -> None:
    estimates = learned(*[("acme", "gpt-5", "chat", 100)] * 200)
    rows = rows_of(estimates)
    after = Estimates(QUANTILE_BP)
    assert after.load([*rows, (b"?" * 16, data)]) == 1
    assert after.forecast("acme", "gpt-5", "chat") == estimates.forecast("acme", "gpt-5", "chat")
    assert rows_of(after) == [(b"?" * 16, b"")]


@given(st.data())
def test_a_row_that_was_cut_off_is_dropped(data: st.DataObject) -> None:
    row_key, value = rows_of(learned(*[("acme", "gpt-5", "chat", n) for n in range(200)]))[0]
    cut = value[: data.draw(st.integers(0, len(value) - 1))]
    assert Estimates(QUANTILE_BP).load([(row_key, cut)]) == 1


def test_a_damaged_row_that_is_learned_anew_is_written_and_not_removed() -> None:
    (row_key, value), *rest = rows_of(learned(("acme", "gpt-5", "chat", 100)))
    after = Estimates(QUANTILE_BP)
    assert after.load([(row_key, value[:-1]), *rest]) == 1
    after.observe("acme", "gpt-5", "chat", 100)
    rows = rows_of(after)
    assert len(rows) == len(dict(rows)) == 3
    assert dict(rows)[row_key]
    assert after.changed_count == 0


def test_a_row_under_another_key_is_dropped() -> None:
    (_, value), (second, _), *_ = rows_of(learned(("acme", "gpt-5", "chat", 100)))
    after = Estimates(QUANTILE_BP)
    assert after.load([(second, value)]) == 1
    assert len(after) == 0
