"""Rating inside the engine: what quantities come to and why not, what a stream holds, what is learned and kept."""

import random

import pytest
from holdfast_rating.estimates import EstimateLimits
from holdfast_rating.streams import Extend, Shrink
from holdfast_sidecar.engine.deadlines import NEVER_NS
from holdfast_sidecar.engine.operations import Fault, FaultCode
from holdfast_sidecar.engine.rated import ROWS_EVERY_NS, ROWS_MAX, ROWS_SOON_NS, Rated, RatedStatistics
from holdfast_sidecar.engine.rules import AccountTerms, Quantities
from holdfast_sidecar.engine.state import Hold, Meta, Pool, Snapshot
from hypothesis import given
from hypothesis import strategies as st

from tests.sidecar.engine.rate_cards import CHANGE_MS, TERMS, card_content

DIMENSIONS = (("feature", "chat"), ("model", "gpt-5"))
SECOND_NS = 1_000_000_000
counts = st.integers(0, 100_000)
quantities = st.lists(
    st.tuples(st.sampled_from(["cached_input", "input", "output", "reasoning"]), counts), unique_by=lambda pair: pair[0]
).map(lambda pairs: tuple(sorted(pairs)))


def rated(*, rows: list[tuple[bytes, bytes]] | None = None, fallback_model: str = "", min_samples: int = 100) -> Rated:
    snapshot = Snapshot(Meta("host-1"), rate_cards=[card_content(fallback_model=fallback_model)], estimates=rows or [])
    return Rated(snapshot, limits=EstimateLimits(min_samples=min_samples))


def amount(subject: Rated, given_quantities: Quantities, at_unix_ms: int = 0, model: str = "gpt-5") -> int:
    found = subject.amount_of(TERMS, "credits", (("model", model),), given_quantities, at_unix_ms)
    assert isinstance(found, int)
    return found


def hold_of(subject: Rated, given_quantities: Quantities, max_output_tokens: int, running_count: int = 0) -> int:
    found = subject.hold_of("acme", TERMS, "credits", DIMENSIONS, given_quantities, max_output_tokens, running_count, 0)
    assert not isinstance(found, Fault)
    assert found[0] == amount(subject, given_quantities)
    return found[1]


def learn(subject: Rated, outputs: list[int], now_ns: int = 0) -> Rated:
    for tokens in outputs:
        subject.observe("acme", DIMENSIONS, (("output", tokens),), 0, cut_short=False)
    subject.take_rows(now_ns)
    return subject


# ── amounts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given_quantities", "model", "at_unix_ms", "comes_to"),
    [
        ((("input", 100), ("output", 10)), "gpt-5", 0, 420),
        ((("input", 100), ("output", 10)), "gpt-5", CHANGE_MS - 1, 420),
        ((("input", 100), ("output", 10)), "gpt-5", CHANGE_MS, 480),
        ((("cached_input", 100),), "gpt-5", 0, 34),  # a third each, rounded up once
        ((("reasoning", 1),), "gpt-5", 0, 12),  # without a price of its own it is output
        ((("input", 1), ("output", 1)), "small", 0, 1),
        ((("input", 0),), "gpt-5", 0, 0),
    ],
)
def test_quantities_come_to_what_the_card_says_for_the_time(
    given_quantities: Quantities, model: str, at_unix_ms: int, comes_to: int
) -> None:
    assert amount(rated(), given_quantities, at_unix_ms, model) == comes_to


def test_an_unknown_model_has_the_prices_of_the_declared_fallback() -> None:
    assert amount(rated(fallback_model="small"), (("input", 1_000),), model="never heard of") == 1


@pytest.mark.parametrize(
    ("terms", "currency", "dimensions", "given_quantities", "fault"),
    [
        (None, "credits", DIMENSIONS, (), (FaultCode.FAILED_PRECONDITION, "NO_RATE_CARD", ())),
        (AccountTerms(), "credits", DIMENSIONS, (), (FaultCode.FAILED_PRECONDITION, "NO_RATE_CARD", ())),
        (
            AccountTerms(rate_card_id="voices"),
            "credits",
            DIMENSIONS,
            (),
            (FaultCode.UNAVAILABLE, "RATE_CARD_NOT_HERE", (("rate_card_id", "voices"),)),
        ),
        (
            TERMS,
            "euros",
            DIMENSIONS,
            (),
            (FaultCode.FAILED_PRECONDITION, "RATE_CARD_CURRENCY", (("rate_card_id", "models"),)),
        ),
        (TERMS, "credits", (), (), (FaultCode.INVALID_ARGUMENT, "MODEL_MISSING", (("field", "dimensions"),))),
        (
            TERMS,
            "credits",
            (("model", "gpt-99"),),
            (),
            (FaultCode.FAILED_PRECONDITION, "UNKNOWN_MODEL", (("field", "dimensions"),)),
        ),
        (
            TERMS,
            "credits",
            DIMENSIONS,
            (("images", 1),),
            (FaultCode.FAILED_PRECONDITION, "METER_WITHOUT_PRICE", (("field", "quantities.images"),)),
        ),
        (
            TERMS,
            "credits",
            DIMENSIONS,
            (("input", 2**62),),
            (FaultCode.INVALID_ARGUMENT, "AMOUNT_OVERFLOW", (("field", "amount"),)),
        ),
    ],
)
def test_what_cannot_be_rated_says_why(
    terms: AccountTerms | None,
    currency: str,
    dimensions: tuple[tuple[str, str], ...],
    given_quantities: Quantities,
    fault: tuple[FaultCode, str, tuple[tuple[str, str], ...]],
) -> None:
    found = rated().amount_of(terms, currency, dimensions, given_quantities, 0)
    assert isinstance(found, Fault)
    assert (found.code, found.reason, found.metadata) == fault


@given(quantities, st.sampled_from([0, CHANGE_MS]))
def test_rating_twice_is_the_same(given_quantities: Quantities, at_unix_ms: int) -> None:
    assert amount(rated(), given_quantities, at_unix_ms) == amount(rated(), given_quantities[::-1], at_unix_ms)


# ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stream_holds_the_worst_case_until_enough_was_learned() -> None:
    subject = learn(rated(), [50] * 99)
    assert hold_of(subject, (("input", 10),), 1_000) == 10 * 3 + 1_000 * 12
    learn(subject, [50])
    assert hold_of(subject, (("input", 10),), 1_000) < 10 * 3 + 70 * 12


def test_work_that_is_no_stream_holds_its_quantities() -> None:
    subject = learn(rated(), [50] * 200)
    assert hold_of(subject, (("input", 10), ("output", 5)), 0) == 90


@given(quantities, st.integers(1, 10_000), st.integers(0, 60), st.lists(st.integers(0, 5_000), max_size=30))
def test_a_hold_covers_its_quantities_and_never_passes_the_worst_case(
    given_quantities: Quantities, max_output_tokens: int, running_count: int, outputs: list[int]
) -> None:
    subject = learn(rated(min_samples=1), outputs)
    held = hold_of(subject, given_quantities, max_output_tokens, running_count)
    told = sum(count for meter, count in given_quantities if meter in ("output", "reasoning"))
    worst = amount(subject, (*given_quantities, ("output", 0)) if not told else given_quantities)
    worst += max(0, max_output_tokens - told) * 12
    assert amount(subject, given_quantities) <= held <= worst


def stream(amount_held: int, settled_amount: int = 0, max_output_tokens: int = 1_000) -> Hold:
    hold = Hold(1, "h", Pool("acme", "general", currency="credits"), amount_held, settled_amount, 0, 0, "", DIMENSIONS)
    hold.quantities, hold.max_output_tokens = (("input", 100),), max_output_tokens
    return hold


def test_a_worst_case_shrinks_once_enough_was_learned() -> None:
    subject, hold = rated(), stream(100 * 3 + 1_000 * 12)
    assert subject.step_of(TERMS, hold, (("output", 20),), 1) is None
    learn(subject, [50] * 200)
    step = subject.step_of(TERMS, hold, (("output", 20),), 1)
    assert isinstance(step, Shrink)
    assert 300 + 50 * 12 <= step.amount <= 300 + 70 * 12


def test_a_stream_that_outgrows_what_is_known_needs_more_and_what_parts_captured_counts() -> None:
    subject = learn(rated(), [50] * 200)
    for hold in (stream(300 + 60 * 12), stream(100, 200 + 60 * 12)):
        step = subject.step_of(TERMS, hold, (("output", 60),), 1)
        assert isinstance(step, Extend)
        assert step.min_add_amount == 12
        assert step.add_amount > 12


def test_a_hold_is_brought_up_at_the_prices_it_was_opened_at() -> None:
    subject, hold = learn(rated(), [50] * 200), stream(300 + 60 * 12)
    hold.opened_at_unix_ms = CHANGE_MS
    step = subject.step_of(TERMS, hold, (("output", 60),), 1)
    assert isinstance(step, Extend)
    assert step.min_add_amount == 61 * 18 - 60 * 12


def test_work_past_its_own_limit_needs_what_it_has_used() -> None:
    step = rated().step_of(TERMS, stream(300 + 1_000 * 12), (("output", 1_200),), 1)
    assert step == Extend(200 * 12, 200 * 12)


def test_what_the_work_read_more_than_was_said_is_held_too() -> None:
    step = rated().step_of(TERMS, stream(300 + 1_000 * 12), (("input", 5_000), ("output", 1)), 1)
    assert step == Extend(4_900 * 3, 4_900 * 3 - 998 * 12)


def test_a_hold_that_was_opened_without_a_limit_is_not_brought_to_anything() -> None:
    fault = rated().step_of(TERMS, stream(100, max_output_tokens=0), (("output", 1),), 1)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.reason) == (FaultCode.FAILED_PRECONDITION, "HOLD_WITHOUT_ESTIMATE")


# ── learning ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_parts_are_learned_as_one_output_with_its_reasoning() -> None:
    parts, whole = rated(min_samples=1), rated(min_samples=1)
    parts.observe("acme", DIMENSIONS, (("output", 40), ("reasoning", 60)), 200, cut_short=False)
    whole.observe("acme", DIMENSIONS, (("output", 300),), 0, cut_short=False)
    assert parts.take_rows(0) == whole.take_rows(0) != []


@pytest.mark.parametrize(
    ("dimensions", "given_quantities"), [((("feature", "chat"),), (("output", 5),)), (DIMENSIONS, (("images", 1),))]
)
def test_work_without_a_model_or_an_output_teaches_nothing(
    dimensions: tuple[tuple[str, str], ...], given_quantities: Quantities
) -> None:
    subject = rated(min_samples=1)
    subject.observe("acme", dimensions, given_quantities, 0, cut_short=False)
    assert subject.take_rows(0) == []


def test_what_was_undone_is_not_learned() -> None:
    subject = rated(min_samples=1)
    subject.observe("acme", DIMENSIONS, (("output", 5),), 0, cut_short=False)
    kept = subject.observed_count
    subject.observe("other", DIMENSIONS, (("output", 5),), 0, cut_short=False)
    subject.unobserve(kept)
    subject.take_rows(0)
    assert subject.statistics().estimate_count == 3


def test_rows_are_taken_once_a_second_sooner_while_there_are_many_and_all_at_the_end() -> None:
    subject = rated()
    assert subject.next_ns() == NEVER_NS
    assert len(learn_many(subject, 1, 0)) == 3
    assert subject.next_ns() == NEVER_NS
    assert learn_many(subject, ROWS_MAX, ROWS_EVERY_NS - 1) == []
    assert subject.next_ns() == ROWS_EVERY_NS
    assert len(subject.take_rows(ROWS_EVERY_NS)) == ROWS_MAX
    assert subject.next_ns() == ROWS_EVERY_NS + ROWS_SOON_NS
    subject.flush()
    assert len(subject.take_rows(ROWS_EVERY_NS)) > 0
    assert subject.next_ns() == NEVER_NS
    assert len(learn_many(subject, ROWS_MAX, ROWS_EVERY_NS)) == 3 * ROWS_MAX


def learn_many(subject: Rated, model_count: int, now_ns: int) -> list[tuple[bytes, bytes]]:
    for number in range(model_count):
        subject.observe("acme", (("model", f"m-{number}"),), (("output", number),), 0, cut_short=False)
    return subject.take_rows(now_ns)


@given(st.lists(st.integers(0, 5_000), min_size=100, max_size=130), st.integers(0, 2_000), st.randoms())
def test_a_restarted_host_expects_the_same_in_whatever_order_its_rows_are(
    outputs: list[int], passed: int, chance: random.Random
) -> None:
    subject, rows = rated(), dict[bytes, bytes]()
    for now_ns, tokens in enumerate(outputs):
        subject.observe("acme", DIMENSIONS, (("output", tokens),), 0, cut_short=False)
        rows.update(subject.take_rows(now_ns * SECOND_NS // 10))
    rows.update(subject.take_rows(len(outputs) * SECOND_NS))
    shuffled = list(rows.items())
    chance.shuffle(shuffled)
    again = rated(rows=shuffled)
    assert again.statistics().estimate_dropped_count == 0
    assert hold_of(again, (("input", 10),), 4_096) == hold_of(subject, (("input", 10),), 4_096)
    hold = stream(300 + 4_096 * 12, max_output_tokens=4_096)
    steps = [each.step_of(TERMS, hold, (("output", passed),), 1) for each in (subject, again)]
    assert steps[0] == steps[1]


def test_a_damaged_row_is_dropped_and_counted_and_the_others_are_used() -> None:
    subject = rated()
    for tokens in [50] * 200:
        subject.observe("acme", DIMENSIONS, (("output", tokens),), 0, cut_short=False)
    rows = subject.take_rows(0)
    again = rated(rows=[(key, value) if place else (key, value[:-1]) for place, (key, value) in enumerate(rows)])
    assert again.statistics() == RatedStatistics(0, 2, 1)
    assert hold_of(again, (("input", 10),), 4_096) == hold_of(subject, (("input", 10),), 4_096)
    assert again.take_rows(0) == [(rows[0][0], b"")]


# ── cards ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_account_s_card_is_asked_for_until_it_is_here() -> None:
    subject = Rated(Snapshot(Meta("host-1")))
    subject.want_card(AccountTerms())
    assert (subject.awaits_card(AccountTerms()), subject.take_ask()) == (False, ())
    subject.want_card(TERMS)
    assert (subject.awaits_card(TERMS), subject.take_ask()) == (True, ("models",))
    assert subject.take_cards([card_content()], ["models"]) == [card_content()]
    assert (subject.awaits_card(TERMS), subject.take_ask()) == (False, ())
    assert amount(subject, (("input", 1),)) == 3


def test_a_card_that_changes_goes_on_as_it_was_until_the_new_one_is_here() -> None:
    subject = rated()
    subject.want_card(AccountTerms(rate_card_id="models", rate_card_revision=2))
    assert subject.take_ask() == ("models",)
    assert not subject.awaits_card(TERMS)
    assert amount(subject, (("input", 1),)) == 3
