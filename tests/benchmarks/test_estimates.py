"""The simulation of holds: what it finds on calls whose outcome is known, and that the same calls find the same."""

import itertools
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from holdfast_bench.cli import main
from holdfast_bench.scenarios import estimates
from holdfast_bench.scenarios.estimates import MAX_OUTPUT_TOKENS, WALLET_CALLS, simulate
from holdfast_bench.workload import LlmCall, draw


def calls(outputs: Sequence[int], input_tokens: int = 1_000) -> list[LlmCall]:
    return [LlmCall(float(place), input_tokens, output) for place, output in enumerate(outputs)]


def test_worst_case_holds_lock_what_nobody_spends() -> None:
    """A wallet of 60 calls of 1,800 input tokens' worth, holds of 17,384: six fit, and 54 calls' worth lie idle."""
    found = simulate(calls([200] * 50), "worst_case", wallet_count=3)
    assert found.left_shares == [54 / WALLET_CALLS] * 3
    assert found.denied_at_call == [6] * 3
    assert (found.cut_short, found.overdraft) == (0, 0)


def test_outputs_that_are_always_the_same_are_held_almost_exactly() -> None:
    found = simulate(calls([200] * 50), "learned", wallet_count=6)
    # Known to an eighth, and held with a buffer; the first two wallets are what it learns from.
    assert max(found.left_shares[-3:]) < 0.1
    assert (found.cut_short, found.overdraft) == (0, 0)
    assert found.left_shares[0] == 54 / WALLET_CALLS


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("bimodal", [round(random.Random(n).choice((60, 700))) for n in range(3_000)]),
        ("heavy tail", [round(min(random.Random(n).paretovariate(1.6) * 80, MAX_OUTPUT_TOKENS)) for n in range(3_000)]),
        ("lognormal", [round(random.Random(n).lognormvariate(5, 0.8)) for n in range(3_000)]),
    ],
)
def test_learned_holds_leave_less_idle_and_never_overdraw_whatever_the_outputs(name: str, outputs: list[int]) -> None:
    worst, learned = (simulate(calls(outputs), holds, wallet_count=10) for holds in estimates.WAYS)
    assert (worst.overdraft, learned.overdraft) == (0, 0), name
    assert sum(learned.left_shares[3:]) < 0.5 * sum(worst.left_shares[3:])
    assert learned.cut_short <= 0.04 * learned.admitted


def test_outputs_that_all_grow_at_once_are_cut_short_but_do_not_overdraw() -> None:
    found = simulate(calls([100] * 400 + [1_000] * 400), "learned", wallet_count=20)
    assert found.cut_short > 0
    assert found.overdraft == 0


def test_the_same_calls_find_the_same() -> None:
    drawn = list(itertools.islice(draw(7), 400))
    assert simulate(drawn, "learned", wallet_count=4) == simulate(drawn, "learned", wallet_count=4)


def test_the_scenario_writes_a_record_for_each_way_of_holding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("holdfast_sidecar._native", reason="the native module is not built")
    monkeypatch.setattr(estimates, "WALLET_COUNT", 4)
    trace, json_file, html_file = tmp_path / "trace.csv", tmp_path / "out.json", tmp_path / "out.html"
    rows = [f"2023-11-16 18:15:{n % 60:02}.0000000,{300 + n},{40 + 7 * n}" for n in range(100)]
    trace.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]) + "\n", encoding="utf-8")
    flags = ["--trace", str(trace), "--json", str(json_file), "--html", str(html_file)]

    assert main(["estimates", *flags]) == os.EX_OK

    worst, learned = json.loads(json_file.read_text(encoding="utf-8"))["results"]
    assert (worst["holds"], learned["holds"]) == ("worst_case", "learned")
    for record in (worst, learned):
        assert record["scenario"] == "estimates"
        assert 0 <= record["left_at_first_denial"] <= 1
        assert record["admitted"] > record["cut_short"] >= 0
        assert record["overdraft"] == 0
    page = html_file.read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "left at the first denial" in page
    assert "holds learned, left_at_first_denial" in capsys.readouterr().out
