"""The commands that ask a ledger, of one that requires credentials: they send the token of the environment."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import grpc
import pytest
from holdfast.commands import books, meters, rules
from holdfast_ledger.bootstrap import main as ledger_main

from tests.scenarios.world import START_TIMEOUT_S, Server

ASKED: tuple[tuple[Callable[[Sequence[str]], int], tuple[str, ...]], ...] = (
    (books.main, ("policy",)),
    (meters.main, ("list",)),
    (rules.main, ("apply", "rules.toml")),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the ledger."""
    return tmp_path_factory.mktemp("ledger") / "ledger.db"


@pytest.fixture(scope="module")
def ledger(database: Path) -> Iterator[Server]:
    """A ledger process that lets no one in without a credential."""
    server = Server("ledger", [], database.with_name("ledger.log"))
    flags = ["--listen", server.address, "--database", str(database), "--metrics-port", "0"]
    server._flags = [*flags, "--require-credentials", "true"]
    server.start()
    with grpc.insecure_channel(server.address) as channel:
        grpc.channel_ready_future(channel).result(START_TIMEOUT_S)
    yield server
    server.end()


@pytest.mark.parametrize(("command", "arguments"), ASKED, ids=["books", "meters", "rules"])
def test_the_token_and_the_address_are_taken_from_the_environment(
    command: Callable[[Sequence[str]], int],
    arguments: tuple[str, ...],
    ledger: Server,
    database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.toml").write_text('[[plans]]\nplan_id = "team"\n')
    monkeypatch.setenv("HOLDFAST_LEDGER", ledger.address)
    monkeypatch.delenv("HOLDFAST_TOKEN", raising=False)
    assert command(arguments) == 1
    assert "UNAUTHENTICATED" in capsys.readouterr().err
    assert ledger_main(["credential", "--database", str(database), "--id", f"of-{arguments[0]}-{tmp_path.name}"]) == 0
    monkeypatch.setenv("HOLDFAST_TOKEN", capsys.readouterr().out.strip())
    assert command(arguments) == 0, capsys.readouterr().err
