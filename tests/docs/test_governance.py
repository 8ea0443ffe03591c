"""The guide to governance: its files, commands and code as they stand there, against the processes that they need."""

import re
from collections.abc import Iterator
from pathlib import Path

import holdfast
import pytest
from holdfast.commands import explain, rules

from tests.scenarios.world import START_TIMEOUT_S, World, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "governance.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
FILES = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^holdfast (\w+) ([^#\n]*)", TEXT, re.MULTILINE)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A ledger and a sidecar, and the guide's files in the folder where the test is."""
    monkeypatch.chdir(tmp_path)
    for name, text in zip(("rules.toml", "models.toml"), FILES, strict=True):
        (tmp_path / name).write_text(text)
    made = World(tmp_path)
    made.begin()
    monkeypatch.setenv("HOLDFAST_SIDECAR", made.sidecar.address)
    yield made
    made.end()


def test_the_guide_does_what_it_says(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules from the files, then the code from top to bottom in one program, then the command that explains."""
    applying, showing, explaining = (arguments.split() for _, arguments in COMMANDS)
    assert [name for name, _ in COMMANDS] == ["rules", "rules", "explain"]
    at_ledger = ["--ledger", world.ledger.address]
    assert rules.main([*applying, *at_ledger]) == 0
    assert rules.main([*applying, *at_ledger]) == 0
    assert capsys.readouterr().out.endswith("\n0 changed\n")
    assert rules.main([*showing, *at_ledger]) == 0
    assert 'budget_id = "ann-month"' in capsys.readouterr().out
    wait_until_rules_are_known()

    names = run_all()

    assert capsys.readouterr().out.splitlines()[0] in TEXT
    denied = names["denied"]
    assert isinstance(denied, holdfast.Denied)
    assert denied.denied_by is not None
    assert (denied.denied_by.limit_amount, denied.denied_by.used_amount) == (10_000_000, 0)
    assert denied.retry_after > 0
    assert names["left"] == 3_300_000
    settled = names["settled"]
    assert isinstance(settled, holdfast.Settled)
    assert (settled.debited_amount, settled.over_hold_amount) == (338_500, 0)

    assert explain.main(explaining) == 1
    out = capsys.readouterr().out
    assert out.startswith("DENY BUDGET_EXCEEDED: denied by budget/ann-month of research/ann: ")
    for level in ("rate_limit/ann-requests", "concurrency_limit/research-runs", "budget/research-month"):
        assert level in out


def test_the_levels_of_the_guide_are_those_of_the_contract() -> None:
    """Each reason that the table names exists, and each denial by a level is in the table."""
    table = TEXT.partition("| level |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([A-Z_]+)`", table))
    others = {"OK", "UNKNOWN_ACCOUNT", "PARTITIONED", "LEASE_TIMEOUT", "LINKED_FAILED"}
    own = {"UNSPECIFIED", "NO_ANSWER", "UNRECOGNIZED"}
    assert named == set(holdfast.Reason) - others - own


def wait_until_rules_are_known() -> None:
    """Waits until the sidecar has heard that the account has rules."""
    with holdfast.Client() as client:
        wait_until(lambda: not client.check("acme", 12_000_000, subject="research/ann"), START_TIMEOUT_S)


def run_all() -> dict[str, object]:
    """Runs the guide's code in its order; returns the names that it left."""
    names: dict[str, object] = {"__name__": "governance"}
    for code in CODE:
        exec(compile(code, "governance.md", "exec"), names)
    return names
