"""Settings: file below environment below flags; every mistake is named; unknown keys are refused everywhere."""

from pathlib import Path

import pytest
from holdfast_ledger.bootstrap import main
from holdfast_ledger.config import ConfigError, LedgerConfig, load, parser


def test_flags_win_over_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "ledger.toml"
    file.write_text('listen = "file:1"\nlease_validity_ms = 5000\nheartbeat_interval_ms = 700\n')
    environment = {"HOLDFAST_LEDGER_LISTEN": "environment:2", "HOLDFAST_LEDGER_LEASE_VALIDITY_MS": "6000", "PATH": "x"}
    config = load({"listen": "flag:3", "database": None}, file, environment)
    assert (config.listen, config.lease_validity_ms, config.heartbeat_interval_ms) == ("flag:3", 6_000, 700)
    assert config.database == "ledger.sqlite"


@pytest.mark.parametrize(
    ("flags", "environment", "content", "named"),
    [
        ({}, {"HOLDFAST_LEDGER_LISTN": "x:1"}, "", "listn"),
        ({}, {}, "listn = 'x:1'", "listn"),
        ({}, {}, "not toml", "ledger.toml"),
        ({"listen": "nowhere"}, {}, "", "listen"),
        ({"metrics_port": "70000"}, {}, "", "metrics_port"),
        ({"lease_validity_ms": "soon"}, {}, "", "lease_validity_ms"),
        ({"lease_validity_ms": "1000", "heartbeat_interval_ms": "900"}, {}, "", "heartbeat_interval_ms"),
        ({"window_debit_count": "0"}, {}, "", "window_debit_count"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, flags: dict[str, str], environment: dict[str, str], content: str, named: str
) -> None:
    file = tmp_path / "ledger.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=named):
        load(flags, file, environment)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load({}, tmp_path / "none.toml", {})


def test_every_setting_has_a_flag_and_a_description() -> None:
    text = parser("holdfast ledger").format_help()
    for name, field in LedgerConfig.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert field.description


def test_the_command_tells_mistakes_and_exits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--listen", "nowhere"]) == 64
    assert "listen" in capsys.readouterr().err


def test_the_command_tells_a_database_that_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--database", str(tmp_path / "no" / "where")]) == 69
    assert "cannot open" in capsys.readouterr().err
