"""The command finds its subcommands by entry point."""

import sys
from importlib import metadata
from types import ModuleType

import pytest
from holdfast import cli


def register(monkeypatch: pytest.MonkeyPatch, **commands: str) -> None:
    """Puts entry points in the place of those of the installed distribution."""
    entries = [metadata.EntryPoint(name, value, "holdfast.commands") for name, value in commands.items()]
    monkeypatch.setattr(metadata, "entry_points", lambda group: metadata.EntryPoints(entries).select(group=group))


def echo(argv: list[str]) -> int:
    """A subcommand."""
    return len(argv)


def test_a_subcommand_gets_its_arguments_and_gives_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, echo="echo_command:echo")
    module = ModuleType("echo_command")
    module.__dict__["echo"] = echo
    monkeypatch.setitem(sys.modules, "echo_command", module)
    assert cli.main(["echo", "--help", "b", "c"]) == 3


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"]])
def test_help_lists_the_subcommands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    register(monkeypatch, beta="x:main", alpha="y:main")
    assert cli.main(argv) == 0
    assert "  alpha\n  beta\n" in capsys.readouterr().out


def test_no_argument_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: holdfast" in capsys.readouterr().out


def test_a_mistyped_subcommand_is_guessed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    register(monkeypatch, sidecar="x:main")
    assert cli.main(["sidcar"]) == 2
    assert "did you mean 'sidecar'?" in capsys.readouterr().err
    assert cli.main(["zzz"]) == 2
    assert "--help" in capsys.readouterr().err


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    register(monkeypatch, top="holdfast_nowhere.top:main")
    assert cli.main(["top"]) == 69
    assert "pip install 'holdfast[nowhere]'" in capsys.readouterr().err


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"holdfast {metadata.version('holdfast')}\n"


def test_the_distribution_registers_its_parts() -> None:
    assert {"sidecar", "ledger", "verify", "bench", "demo", "explain", "rules"} <= metadata.entry_points(
        group="holdfast.commands"
    ).names
