"""`holdfast explain` asks what it is told to ask, and prints what the sidecar says."""

import json

import pytest
from holdfast.commands import explain
from holdfast.v1 import decision_pb2

from tests.client.conftest import HeldAmount, Sidecar

DENIAL = decision_pb2.LimitState(
    level="budget/team-month",
    subject="research",
    reason="REASON_BUDGET_EXCEEDED",
    limit_amount=5_000,
    used_amount=4_000,
    held_amount=900,
    left_amount=100,
    resets_at_unix_ms=1_798_761_600_000,
    retry_after_ms=2_500,
)

KINDS = ("subject", "budget", "pool")


def run(sidecar: Sidecar, *arguments: str) -> int:
    return explain.main(["--sidecar", sidecar.target, "--account", "acme", *arguments])


def test_allowed_is_zero_and_lists_every_level(sidecar: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(sidecar, "--amount", "1000000") == 0
    text = capsys.readouterr().out
    assert text.startswith("ALLOW 1,000,000\nthe pool: posted 10,000,000, held 0, available 10,000,000; CONNECTED\n\n")
    assert text.splitlines()[3:] == [
        "LEVEL           SUBJECT        LIMIT  USED  HELD        LEFT  SAYS  RESETS  RETRY AFTER",
        "rate_limit/rpm  research          60     0     0           0  OK",
        "pool/general              10,000,000     0     0  10,000,000  OK",
    ]


def test_denied_is_one_and_names_the_level(sidecar: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    sidecar.steps = [DENIAL, decision_pb2.LimitState(level="pool/general", reason="REASON_OK", shadow=True)]
    sidecar.deny(DENIAL)
    assert run(sidecar, "--amount", "7") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "DENY BUDGET_EXCEEDED: denied by budget/team-month of research: 100 left of 5000"
    assert lines[-2].split("  ")[-3:] == ["BUDGET_EXCEEDED", "2027-01-01 00:00:00Z", "2,500 ms"]
    assert lines[-1].endswith("OK (shadow)")


def test_what_has_no_figures_shows_none(sidecar: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    """Zero of a budget is a figure; a subject is there or not, and a pool has no limit."""
    sidecar.steps = [decision_pb2.LimitState(level=f"{kind}/x", reason="REASON_OK") for kind in KINDS]
    assert run(sidecar) == 0
    subject, budget, pool = (line.split() for line in capsys.readouterr().out.splitlines()[4:])
    assert (subject, budget, pool) == (
        ["subject/x", "OK"],
        ["budget/x", "0", "0", "0", "0", "OK"],
        ["pool/x", "0", "0", "0", "OK"],
    )
    sidecar.steps = []
    assert run(sidecar) == 0
    assert "LEVEL" not in capsys.readouterr().out


def test_a_long_time_is_told_in_days(sidecar: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    sidecar.steps = [decision_pb2.LimitState(level="budget/x", reason="REASON_OK", retry_after_ms=800_990_700)]
    run(sidecar)
    assert capsys.readouterr().out.endswith("  9 days, 6:29:51\n")


def test_a_shadow_denial_is_told_as_such(sidecar: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    sidecar.steps = [decision_pb2.LimitState(level="rate_limit/rpm", reason="REASON_RATE_LIMITED", shadow=True)]
    assert run(sidecar, "--amount", "7") == 0
    assert "would be RATE_LIMITED (shadow)" in capsys.readouterr().out


def test_everything_that_is_asked_goes_along(sidecar: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    parent = "p-1"
    arguments = [
        *("--pool", "gpu", "--quantity", "input=10", "--quantity", "output=2", "--max-output-tokens", "8"),
        *("--model", "m", "--dimension", "region=eu=1", "--subject", "research/ann", "--min-amount", "1"),
        *("--feature", "seats", "--feature-quantity", "3", "--feature-choice", "x"),
    ]
    assert run(sidecar, *arguments) == 0
    (asked,) = sidecar.seen_of("check")
    assert (asked.account_id, asked.pool_id, asked.subject, asked.explain) == ("acme", "gpu", "research/ann", True)
    assert (dict(asked.quantities), asked.max_output_tokens, asked.min_amount) == ({"input": 10, "output": 2}, 8, 1)
    assert dict(asked.dimensions) == {"model": "m", "region": "eu=1"}
    feature = asked.required_feature
    assert (feature.feature, feature.quantity, feature.choice) == ("seats", 3, "x")
    assert "the quantities come to 18\n" in capsys.readouterr().out
    assert run(sidecar, "--parent-hold", parent) == 2
    assert sidecar.seen_of("check")[-1].parent_hold_id == parent


def test_json_has_the_whole_answer(sidecar: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    sidecar.deny(DENIAL)
    assert run(sidecar, "--amount", "7", "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["allowed"], answer["reason"], answer["mode"]) == (False, "BUDGET_EXCEEDED", "CONNECTED")
    assert answer["denied_by"]["left_amount"] == 100
    assert [step["level"] for step in answer["steps"]] == ["rate_limit/rpm", "pool/general"]


@pytest.mark.parametrize("argument", ["--quantity=input", "--quantity=input=-1", "--dimension=model", "--amount=x"])
def test_wrong_usage_is_two(sidecar: Sidecar, argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(sidecar, argument)
    assert caught.value.code == 2
    assert not sidecar.seen
    assert "usage: holdfast explain" in capsys.readouterr().err


def test_a_field_that_the_sidecar_refuses_is_named(sidecar: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(sidecar, "--amount", "-1") == 2
    assert "holdfast explain: amount: " in capsys.readouterr().err
    sidecar.holds["h"] = HeldAmount("acme", 0, open=False)
    assert run(sidecar, "--parent-hold", "h") == 2
    assert "HOLD_CLOSED" in capsys.readouterr().err
    assert explain.main(["--sidecar", "nonsense", "--account", "acme"]) == 2
    assert "unix:/path" in capsys.readouterr().err


def test_no_sidecar_is_no_answer(sidecar: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    sidecar.stop()
    assert run(sidecar, "--timeout-ms", "300") == 69
    assert capsys.readouterr().err.startswith("holdfast explain: ")
