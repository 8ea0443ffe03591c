"""The README's commands and code, as they stand there, against the processes that they start."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import holdfast
import pytest
from holdfast.commands import explain, rules

from tests.scenarios.world import START_TIMEOUT_S, Server, World, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
RULES = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
OPERATING = re.findall(r"^holdfast (rules|explain) (.*)$", TEXT, re.MULTILINE)
COMMANDS = re.findall(r"^\.venv/bin/holdfast (\w+) (.*) &$", TEXT, re.MULTILINE)
LEDGER_ADDRESS = "127.0.0.1:7420"
"""As the README has it, the ledger's default; the test has a port of its own."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose processes run with the README's flags, and with ports of their own behind them."""
    monkeypatch.chdir(tmp_path)
    made = World(tmp_path)
    flags = {name: shlex.split(rest.replace(LEDGER_ADDRESS, made.ledger.address)) for name, rest in COMMANDS}
    made.ledger = _moved(made.ledger, [*flags["ledger"], "--listen", made.ledger.address])
    made.sidecar = _moved(
        made.sidecar, [*flags["sidecar"], "--listen-tcp", made.sidecar.address, "--metrics-address", "off"]
    )
    yield made
    made.end()


def _moved(server: Server, flags: list[str]) -> Server:
    server._flags = flags
    return server


def test_the_code_does_what_it_says(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Thirty of fifty go on, the others are denied, and the ledger has exactly what they settled; rules hold then."""
    give_credits, fan_out = CODE
    world.ledger.start()
    _run(give_credits.replace(LEDGER_ADDRESS, world.ledger.address))
    world.sidecar.start()
    world.wait_until_deciding()
    monkeypatch.setenv("HOLDFAST_SIDECAR", world.sidecar.address)

    results = _run(fan_out)["results"]

    assert isinstance(results, list)
    settled = [result for result in results if isinstance(result, int)]
    assert settled == [1_200_000] * 30
    assert all(isinstance(result, int | holdfast.Denied) for result in results)
    world.wait_until_settled()
    assert len(world.debits()) == 30
    assert world.ledger_balance().spent_total == sum(settled)

    (rules_text,), (applying, explaining) = RULES, [shlex.split(rest) for _, rest in OPERATING]
    Path("rules.toml").write_text(rules_text)
    assert rules.main([*applying, "--ledger", world.ledger.address]) == 0
    wait_until(
        lambda: explain.main(explaining) == 1 and "budget/research-month" in capsys.readouterr().out, START_TIMEOUT_S
    )


def _run(code: str) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "readme"}
    exec(compile(textwrap.dedent(code), "README.md", "exec"), names)
    return names
