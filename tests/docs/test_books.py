"""The guide to the books: its code and commands as they stand there, against a ledger whose clock the test moves."""

import asyncio
import re
from pathlib import Path

import pytest
from holdfast.commands import books
from holdfast.commands import verify as verify_command
from holdfast.v1 import ledger_service_pb2 as pb

from tests.ledger.harness import Ledger, debit, running

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "books.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line.split() for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
            for line in block.splitlines()]  # fmt: skip
DAY_MS = 86_400_000


def test_the_guide_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All commands in their order; what they print is what the guide shows."""
    monkeypatch.chdir(tmp_path)
    asyncio.run(_follow(tmp_path, monkeypatch, capsys))


async def _follow(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    commands = iter(COMMANDS)
    async with running(folder) as ledger:
        address = f"127.0.0.1:{ledger.server.port}"
        monkeypatch.setenv("HOLDFAST_LEDGER", address)
        await _use(ledger)

        async def books_say(*expected: str) -> str:
            name, command, *arguments = next(commands)
            assert (name, command, arguments[0]) == ("holdfast", "books", expected[0])
            assert await asyncio.to_thread(books.main, [*arguments, "--ledger", address]) == 0
            return capsys.readouterr().out

        assert await books_say("rollforward") == SHOWN[0]
        closing = await books_say("close")
        assert closing.startswith("2027-01 closed at 2027-02-")
        await _give_back(ledger)
        assert await books_say("rollforward") == SHOWN[1]
        assert await books_say("periods") == closing
        assert await books_say("policy") == "breakage: at-expiry, 0 bps\npromotional: no-revenue\n"
        assert await books_say("policy") == "breakage: estimate, 500 bps\npromotional: no-revenue\n"
        assert await books_say("export") == "4 lines\n"
        assert Path("journal.csv").read_text(encoding="utf-8").count("\n") == 5
        assert await books_say("export") == "6 lines\n"
        assert Path("journal.parquet").read_bytes().startswith(b"PAR1")
        verified = await books_say("verify")
        assert verified.endswith("\nintact\n")
    head = verified.split("head: ")[1].split()[0]
    for _ in range(2):
        name, command, *arguments = next(commands)
        assert (name, command) == ("holdfast", "verify")
        said = [{"ledger.sqlite": str(next(folder.glob("*.sqlite"))), "HEAD": head}.get(x, x) for x in arguments]
        assert verify_command.main(said) == 0
        assert capsys.readouterr().out.endswith("\nsound\n")
    assert list(commands) == []


async def _use(ledger: Ledger) -> None:
    """Makes the grants as the guide does, and uses them in January and February."""
    await ledger.api.CreateAccount(pb.CreateAccountRequest(account=pb.Account(account_id="acme")))
    await ledger.api.CreatePool(pb.CreatePoolRequest(pool=pb.Pool(account_id="acme", pool_id="general")))
    await asyncio.to_thread(exec, compile(CODE[0], "books.md", "exec"), {"__name__": "books"})
    stream = ledger.sync()
    await stream.hello()
    await stream.debits(debit(1, 300_000_000, account_id="acme"))
    await stream.acked(1)
    ledger.clock.advance(20 * DAY_MS)
    await stream.debits(debit(2, 100_000_000, account_id="acme"))
    await stream.acked(2)
    await stream.finish()


async def _give_back(ledger: Ledger) -> None:
    await ledger.api.CorrectDebit(
        pb.CorrectDebitRequest(
            account_id="acme", pool_id="general", operation_id="op-1", correction_id="c", amount=10_000_000
        )
    )


def test_a_ledger_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """The command says so, with the status of what cannot be reached."""
    assert books.main(["periods", "--ledger", "127.0.0.1:1"]) == 69
    assert capsys.readouterr().err.startswith("holdfast books: ")
