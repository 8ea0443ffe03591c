"""The guide to reports of usage: its code and its file of credentials as they stand there."""

import re
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import holdfast
import pytest
from holdfast.commands import rules
from holdfast_sidecar.config import SidecarConfig
from holdfast_sidecar.credentials import read_credentials

from tests.scenarios.world import START_TIMEOUT_S, World, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("\n## Report usage\n")[2].partition("\n## ")[0]
CODE = re.findall(r"^```python\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
(CREDENTIALS,) = re.findall(r"^```toml\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
RULES = """
account = "acme"

[rules]
rate_card_id = "card"

[[rate_cards]]
rate_card_id = "card"
file = "card.toml"
"""
CARD = """
card_id = "card"
currency = "credits"

[[versions]]
effective_from = 2026-01-01T00:00:00Z
prices = [
    { model = "gpt-5", meter = "input", amount = 1, per = 1 },
    { model = "gpt-5", meter = "output", amount = 8, per = 1 },
    { model = "gpt-5", meter = "requests", amount = 2, per = 1 },
]
"""
AMOUNT = 80_000_000


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A ledger and a sidecar that has heard of the account's rate card."""
    made = World(tmp_path)
    made.begin(AMOUNT)
    (tmp_path / "card.toml").write_text(CARD)
    (tmp_path / "rules.toml").write_text(RULES)
    assert rules.main(["apply", str(tmp_path / "rules.toml"), "--ledger", made.ledger.address]) == 0
    monkeypatch.setenv("HOLDFAST_SIDECAR", made.sidecar.address)
    wait_until(is_rated, START_TIMEOUT_S)
    yield made
    made.end()


def is_rated() -> bool:
    """Whether the sidecar has the rate card."""
    with holdfast.Client() as client:
        try:
            return client.check("acme", quantities={"output": 1}, dimensions={"model": "gpt-5"}).allowed
        except holdfast.HoldfastError:
            return False


def test_the_guide_does_what_it_says(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The code from top to bottom, in one program."""
    names: dict[str, object] = {"__name__": "usage"}
    for code in CODE:
        exec(compile(code, "usage.md", "exec"), names)

    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"2000 16000 {AMOUNT - 16_000}", "300", f"True {AMOUNT - 16_000 - 1_800 - 90_000_000}"]
    assert lines[3:5] == ["(False, 0)", "(True, 700)"]
    assert lines[5].startswith("meter_id: is not a meter of rate cards")
    assert len(lines) == 6


def test_the_file_of_credentials_is_one(tmp_path: Path) -> None:
    """And its hash is what the command beside it makes of TOKEN."""
    (tmp_path / "credentials.toml").write_text(CREDENTIALS)
    billing, gateway = read_credentials(tmp_path / "credentials.toml")
    assert billing.token_sha256 == sha256(b"TOKEN").hexdigest()
    assert (billing.account_id, gateway.uid) == ("acme", 1001)
    assert tomllib.loads(CREDENTIALS)["credentials"][0]["burst"] == 100


def test_the_flags_that_are_named_exist() -> None:
    named = {flag.replace("-", "_") for flag in re.findall(r"`--([a-z-]+)`", SECTION)}
    assert named == {"usage_calls_per_s", "usage_burst", "credentials_file"}
    assert named <= set(SidecarConfig.model_fields)
