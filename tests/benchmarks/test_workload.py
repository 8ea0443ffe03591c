"""Drawn calls look like the trace; a trace is read as it is, or refused by its line."""

import itertools
import statistics
from pathlib import Path

import pytest
from holdfast.v1.enforcement_service_pb2 import ExtendRequest, ReserveRequest, SettleRequest
from holdfast_bench.scenarios.trace import EXTEND, RESERVE, SETTLE, schedule_of
from holdfast_bench.workload import CALLS_PER_S, LlmCall, draw, rate_per_s, read_trace, repeat

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def test_drawn_calls_have_the_trace_s_distributions() -> None:
    """The published figures of the trace: mean input 1,155, P95 4,083; mean output 211, P50 129, P95 451."""
    calls = list(itertools.islice(draw(1), 20_000))
    inputs = sorted(call.input_tokens for call in calls)
    outputs = sorted(call.output_tokens for call in calls)
    assert statistics.mean(inputs) == pytest.approx(1_155, rel=0.1)
    assert inputs[19_000] == pytest.approx(4_083, rel=0.1)
    assert statistics.mean(outputs) == pytest.approx(211, rel=0.1)
    assert outputs[10_000] == pytest.approx(129, rel=0.1)
    assert outputs[19_000] == pytest.approx(451, rel=0.1)
    assert max(outputs) <= 1_000
    assert calls[-1].at_s == pytest.approx(20_000 / CALLS_PER_S, rel=0.05)


def test_a_seed_draws_the_same_calls_again() -> None:
    first, again, other = (list(itertools.islice(draw(seed), 50)) for seed in (7, 7, 8))
    assert first == again != other


def test_a_trace_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(
        HEADER + "2023-11-16 18:15:50.9951690,396,109\n2023-11-16 18:15:46.6805900,374,44\n", encoding="utf-8"
    )
    first, second = read_trace(path)
    assert (first.at_s, first.input_tokens, first.output_tokens) == (0.0, 374, 44)
    assert second.at_s == pytest.approx(4.314579)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no calls"),
        (HEADER, "no calls"),
        (HEADER + "2023-11-16 18:15:46.68,374,44\nyesterday,1,2\n", "line 3"),
        (HEADER + "2023-11-16 18:15:46.68,374,\n", "line 2"),
        (HEADER + "2023-11-16 18:15:46.68,-1,44\n", "below zero"),
        (HEADER + "2023-11-16 18:15:46.68,374,99999999999999999999\n", "line 2: more than 10000000 tokens"),
        ("WHEN,HOW\n1,2\n", "TIMESTAMP"),
    ],
)
def test_a_trace_that_cannot_be_read_is_refused_by_its_line(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        read_trace(path)


def test_a_call_s_hold_covers_its_cost_before_it_is_settled() -> None:
    calls = list(itertools.islice(draw(3), 500))
    assert any(call.extension for call in calls)
    assert any(not call.extension for call in calls)
    for call in calls:
        assert call.estimate + call.extension >= call.cost > 0
        assert not call.extension or call.extends_after_s < call.duration_s


def test_the_schedule_reserves_extends_and_settles_each_call_once() -> None:
    calls = [LlmCall(0.0, 100, 50), LlmCall(1.0, 100, 900)]
    schedule = schedule_of(calls, speed_up=2.0, path="full")
    assert [due_us for due_us, _, _ in schedule] == sorted(due_us for due_us, _, _ in schedule)
    reserves = [ReserveRequest.FromString(payload) for _, step, payload in schedule if step == RESERVE]
    extends = [ExtendRequest.FromString(payload) for _, step, payload in schedule if step == EXTEND]
    settles = [SettleRequest.FromString(payload) for _, step, payload in schedule if step == SETTLE]
    assert [reserve.operation_id for reserve in reserves] == [settle.hold_id for settle in settles]
    assert [settle.amount for settle in settles] == [call.cost for call in calls]
    assert [(extend.hold_id, extend.add_amount) for extend in extends] == [("r1", calls[1].extension)]
    assert [due_us for due_us, step, _ in schedule if step == SETTLE] == [650_000, 9_650_000]


def test_a_repeated_trace_goes_on_at_its_pace() -> None:
    calls = [LlmCall(0.0, 1, 1), LlmCall(1.0, 2, 2), LlmCall(4.0, 3, 3)]
    assert rate_per_s(calls) == 0.5
    again = list(itertools.islice(repeat(calls), 7))
    assert [call.input_tokens for call in again] == [1, 2, 3, 1, 2, 3, 1]
    assert [call.at_s for call in again] == pytest.approx([0, 1, 4, 6, 7, 10, 12])


def test_a_trace_of_one_moment_is_repeated_all_the_same() -> None:
    calls = [LlmCall(0.0, 1, 1), LlmCall(0.0, 2, 2)]
    assert [call.at_s for call in itertools.islice(repeat(calls), 5)] == pytest.approx([0, 0, 1, 1, 2])
