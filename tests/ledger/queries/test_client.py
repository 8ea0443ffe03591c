"""`holdfast.usage` and `holdfast usage` ask a running ledger: what comes back as values, pages, tables and files."""

import asyncio
import csv
import io
import json
from pathlib import Path

import pytest
from holdfast.commands import usage as command
from holdfast.errors import InvalidArgument, Unavailable
from holdfast.usage import AsyncUsageClient, UsageClient, UsageRow, begins_with, exists, is_in, is_not
from holdfast.v1 import usage_service_pb2_grpc as api_grpc

from tests.ledger.harness import START_MS, Ledger, running
from tests.ledger.queries.test_service import DAY_MS, question, spend, total

WINDOW = (START_MS - DAY_MS, START_MS + DAY_MS)
DATES = ("--from", "2027-01-14", "--to", "2027-01-16T00:00:00+00:00")


def ask(target: str) -> None:
    """The blocking client."""
    with UsageClient(target) as client:
        figures = client.query("credits", *WINDOW, account="a", group_by=["team"], page_size=1, granularity="day")
        assert (figures.summary.total, figures.summary.unit, figures.summary.exponent) == (42, "credits", 6)
        assert len(figures.summary.steps) == 3
        rows = list(figures)
        assert [(row.group, row.value, row.rest) for row in rows] == [
            ({"team": "t1"}, 30, False),
            ({"team": "t2"}, 12, False),
        ]
        assert rows == list(figures)
        assert rows[0].start.isoformat() == "2027-01-15T00:00:00+00:00"
        assert [(trace.operation_id, trace.caller) for trace in client.trace(rows[0])] == [("op-1", "uid:1")]
        top = client.query("credits", *WINDOW, group_by=["team", "model"], top=1, compare="previous_period")
        assert [(row.rest, dict(row.group)) for row in top][1] == (True, {"team": "", "model": ""})
        both = list(client.trace(client_whole(client).trace_token, page_size=1))
        assert {trace.operation_id: dict(trace.dimensions)["team"] for trace in both} == {"op-1": "t1", "op-2": "t2"}
        for kept, value in (
            (is_in("team", "t1"), 30),
            (is_not("team", "t1"), 12),
            (begins_with("team", "t"), 42),
            (exists("model"), 42),
        ):
            assert client.query("credits", *WINDOW, filters=[kept]).summary.total == value
        assert client.keys(*WINDOW, key="team", limit=1) == ["t1"]
        with pytest.raises(InvalidArgument) as error:
            client.query("credits", *WINDOW, group_by=["temas"])
        assert error.value.field == "group_by[0]"
        with pytest.raises(ValueError, match="FURLONG"):
            client.query("credits", *WINDOW, granularity="furlong")  # type: ignore[arg-type]  # what is refused


def client_whole(client: UsageClient) -> UsageRow:
    """The one figure of all."""
    (row,) = client.query("credits", *WINDOW)
    return row


async def ask_async(target: str) -> None:
    """The client of asyncio."""
    async with AsyncUsageClient(target, token="") as client:
        figures = await client.query("quantity", *WINDOW, group_by=["team"], page_size=1)
        rows = [row async for row in figures]
        assert ([row.value for row in rows], figures.summary.total) == ([7, 7], 14)
        assert [trace.meter async for trace in client.trace(rows[0], page_size=1)] == ["input"]
        assert "model" in await client.keys(*WINDOW)
        with pytest.raises(InvalidArgument):
            await client.query("quantity", *WINDOW, group_by=["grant"])


def run(ledger: Ledger, *arguments: str) -> int:
    """The command."""
    return command.main([arguments[0], "--ledger", f"127.0.0.1:{ledger.server.port}", *arguments[1:]])


async def test_a_ledger_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By both clients, and from a terminal."""
    async with running(tmp_path, usage_store=str(tmp_path / "usage"), usage_interval_ms=20) as ledger:
        await spend(ledger)
        await total(api_grpc.UsageServiceStub(ledger.channel), 42, question())
        target = f"127.0.0.1:{ledger.server.port}"
        await asyncio.to_thread(ask, target)
        await ask_async(target)

        by_team = ("query", *DATES, "--group-by", "team", "--granularity", "day", "--compare", "previous_period")
        assert await asyncio.to_thread(run, ledger, *by_team) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["START", "TEAM", "VALUE", "BEFORE", "CHANGE"]
        assert lines[1].split() == ["2027-01-15", "00:00", "t1", "0.000030", "0.000000"]
        assert lines[3].split() == ["total", "0.000042", "0.000000"]
        assert lines[5].startswith("in credits; complete until ")

        assert await asyncio.to_thread(run, ledger, *by_team, "--csv", "--filter", "team=t2,t3") == 0
        (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
        assert (row["team"], row["value"], row["rest"]) == ("t2", "12", "0")

        whole = ("query", *DATES, "--measure", "count", "--json", "--top", "1", "--group-by", "subject_1")
        assert await asyncio.to_thread(run, ledger, *whole) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["group"], told["value"]) == ({"subject_1": "x"}, 2)

        assert await asyncio.to_thread(run, ledger, "trace", row["trace_token"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[1].split()[2:7] == ["12", "a", "general", "op-2", "uid:2"]
        assert await asyncio.to_thread(run, ledger, "trace", "--json", row["trace_token"]) == 0
        assert json.loads(capsys.readouterr().out)["grant"] == "g"

        assert await asyncio.to_thread(run, ledger, "keys", "team", *DATES) == 0
        assert capsys.readouterr().out == "t1\nt2\n"

        assert await asyncio.to_thread(run, ledger, "query", *DATES, "--group-by", "temas") == 1
        assert "'temas'" in capsys.readouterr().err


def test_no_answer_is_told_from_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """By exit status."""
    nowhere = ("--ledger", "127.0.0.1:1", "--timeout-ms", "200")
    assert command.main(["query", *nowhere]) == 69
    assert command.main(["query", "--from", "yesterday", *nowhere]) == 2
    assert command.main(["query", "--time-zone", "Mars/Base", *nowhere]) == 2
    for text in ("", "=x", "!=x", "^=x"):
        with pytest.raises(SystemExit):
            command.main(["query", "--filter", text, *nowhere])
    capsys.readouterr()
    with UsageClient("127.0.0.1:1", timeout_ms=200) as client, pytest.raises(Unavailable):
        client.keys(0, 1)
