"""The plan: calls in turns of fan-outs and singles, a pace, and a wallet that they empty."""

import itertools
from pathlib import Path

import pytest
from holdfast_bench.demo.plan import CALLS_PER_S, GRANTS, amounts, make_plan, waves
from holdfast_bench.work import FANOUT

TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.5,374,44\n2023-11-16 18:15:48.5,396,109\n"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Two calls in two seconds."""
    path = tmp_path / "trace.csv"
    path.write_text(TRACE, encoding="utf-8")
    return path


def test_fan_outs_and_singles_take_turns() -> None:
    plan = make_plan(None, None, 1.0)
    planned = list(itertools.islice(waves(plan.calls), 3 * (1 + FANOUT)))
    assert [len(wave.calls) for wave in planned] == [FANOUT, *[1] * FANOUT] * 3
    assert [wave.is_fanout for wave in planned[:2]] == [True, False]
    times = [wave.at_s for wave in planned]
    assert times == sorted(times)


def test_time_is_pressed_to_the_pace(trace: Path) -> None:
    for plan in (make_plan(None, None, 1.0), make_plan(trace, None, 1.0)):
        calls = list(itertools.islice(plan.calls, 4_000))
        assert 4_000 / calls[-1].at_s == pytest.approx(CALLS_PER_S, rel=0.1)


def test_a_speed_of_the_user_s_is_kept(trace: Path) -> None:
    plan = make_plan(trace, 10.0, 1.0)
    assert plan.speed == 10.0
    first, second, third = itertools.islice(plan.calls, 3)
    assert (first.at_s, second.at_s, third.at_s) == pytest.approx((0.0, 0.2, 0.4))  # begins anew after its mean gap


def test_the_wallet_is_what_the_calls_cost() -> None:
    plan = make_plan(None, None, 2.0)
    cost = sum(call.cost for call in itertools.islice(plan.calls, round(2.0 * CALLS_PER_S)))
    assert cost <= plan.wallet < cost + 10_000


@pytest.mark.parametrize("wallet", [10_000, 12_340_000, 99_990_001])
def test_the_grants_are_the_wallet(wallet: int) -> None:
    found = amounts(wallet)
    assert sum(found.values()) == wallet
    assert set(found) == {grant.grant_id for grant in GRANTS}
    assert min(found.values()) > 0
