"""The guide to questions about usage: its code and commands as they stand there, against a ledger that has been fed."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest
from holdfast.commands import usage as command
from holdfast.usage import TraceRow
from holdfast.v1 import usage_service_pb2_grpc as api_grpc
from holdfast_ledger.queries.keys import BUILT_IN
from holdfast_ledger.usage.dimensions import DEFAULT_DIMENSIONS

from tests.ledger.harness import running
from tests.ledger.queries.test_service import question, spend, total

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("\n## Questions\n")[2].partition("\n## ")[0]
(CODE,) = re.findall(r"^```python\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^holdfast usage (.*)$", SECTION, re.MULTILINE)


def follow(target: str) -> dict[str, object]:
    """Runs the guide's code and commands."""
    names: dict[str, object] = {}
    exec(compile(CODE.replace("127.0.0.1:7420", target), "usage.md", "exec"), names)
    for said in COMMANDS:
        assert command.main([*shlex.split(said), "--ledger", target]) == 0
    return names


def test_the_guide_does_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints what its comments say."""

    async def follow_at_a_ledger() -> dict[str, object]:
        async with running(tmp_path, usage_store=str(tmp_path / "usage"), usage_interval_ms=20) as ledger:
            await spend(ledger)
            await total(api_grpc.UsageServiceStub(ledger.channel), 42, question())
            return await asyncio.to_thread(follow, f"127.0.0.1:{ledger.server.port}")

    names = asyncio.run(follow_at_a_ledger())
    out = capsys.readouterr().out
    assert out.startswith("42 credits\n")
    assert "2027-01-15" in out
    assert out.endswith("t1\nt2\n")
    trace = names["trace"]
    assert isinstance(trace, TraceRow)
    assert trace.operation_id == "op-2"


def test_the_guide_names_the_keys_that_there_are() -> None:
    """The built-in ones, and the dimensions that sums of hours know."""
    named = set(re.findall(r"`([a-z_0-9]+)`", SECTION))
    assert {key for key in BUILT_IN if not re.fullmatch(r"subject_[2-7]", key)} <= named
    assert set(DEFAULT_DIMENSIONS) <= named
