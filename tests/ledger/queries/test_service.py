"""UsageService on a running ledger with its usage store: from a debit to the figure, and to what is behind it."""

import asyncio
import threading
import time
from pathlib import Path
from typing import cast

import grpc
import pytest
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast.v1 import usage_service_pb2 as api
from holdfast.v1 import usage_service_pb2_grpc as api_grpc
from holdfast_ledger.errors import Unavailable
from holdfast_ledger.metering.reports import Reports
from holdfast_ledger.queries.answers import Answers
from holdfast_ledger.queries.service import MAX_WAITING, UsageServicer

from tests.ledger.harness import START_MS, Ledger, debit, fault_of, running

DAY_MS = 86_400_000
TIMEOUT_S = 120


def question(**fields: object) -> api.QueryUsageRequest:
    """Credits of the days around the tests' time, by model, unless told."""
    values: dict[str, object] = {
        "measure": api.USAGE_MEASURE_CREDITS,
        "start_unix_ms": START_MS - DAY_MS,
        "end_unix_ms": START_MS + DAY_MS,
        "group_by": ["model"],
    }
    return api.QueryUsageRequest(**(values | fields))  # type: ignore[arg-type]  # fields of the message


async def spend(ledger: Ledger) -> None:
    """Posts two debits of account "a", 30 and 12 credits' minor units."""
    await ledger.open_pool(1_000)
    stream = ledger.sync()
    await stream.hello()
    await stream.want(100)
    debits = [
        debit(
            number, amount, hold_id="h", settled_at_unix_ms=START_MS, quantities={"input": 7}, subject="x/y",
            caller=f"uid:{number}",
            dimensions=[wire.Dimension(key="model", value="m"), wire.Dimension(key="team", value=f"t{number}")],
        )
        for number, amount in ((1, 30), (2, 12))
    ]  # fmt: skip
    await stream.debits(*debits)
    await stream.acked(2)
    stream.cancel()


async def total(
    usage: api_grpc.UsageServiceStub, expected: int, asked: api.QueryUsageRequest
) -> api.QueryUsageResponse:
    """Asks until the store is up and has been fed."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            answer: api.QueryUsageResponse = await usage.QueryUsage(asked)
            if answer.total == expected:
                return answer
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - the store is starting
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_from_a_debit_to_its_figure_and_back(tmp_path: Path) -> None:
    """What a sidecar settled is in QueryUsage, with its unit; TraceUsage leads back to the operation."""
    async with running(tmp_path, usage_store=str(tmp_path / "usage"), usage_interval_ms=20) as ledger:
        usage = api_grpc.UsageServiceStub(ledger.channel)
        await spend(ledger)
        answer = await total(usage, 42, question())
        assert [(list(cell.group), cell.value) for cell in answer.cells] == [(["m"], 42)]
        assert (answer.unit, answer.exponent) == ("credits", 6)
        asked = api.TraceUsageRequest(trace_token=answer.cells[0].trace_token)
        traces = {trace.operation_id: trace for trace in (await usage.TraceUsage(asked)).traces}
        assert {name: trace.value for name, trace in traces.items()} == {"op-1": 30, "op-2": 12}
        trace = traces["op-1"]
        assert (trace.sidecar_id, trace.hold_id, trace.grant_id, trace.subject) == ("s", "h", "g", "x/y")
        assert {name: trace.caller for name, trace in traces.items()} == {"op-1": "uid:1", "op-2": "uid:2"}
        assert trace.entry_id > 0
        assert dict(trace.dimensions) == {"model": "m", "team": "t1"}
        quantities = question(measure=api.USAGE_MEASURE_QUANTITY, group_by=["meter", "subject_2"])
        answer = await total(usage, 14, quantities)
        assert [list(cell.group) for cell in answer.cells] == [["input", "y"]]
        asked = api.TraceUsageRequest(trace_token=answer.cells[0].trace_token)
        callers = [(trace.value, trace.caller) for trace in (await usage.TraceUsage(asked)).traces]
        assert sorted(callers) == [(7, "uid:1"), (7, "uid:2")]
        by_caller = await total(usage, 42, question(group_by=["caller"]))
        assert [(*cell.group, cell.value) for cell in by_caller.cells] == [("uid:1", 30), ("uid:2", 12)]
        counted = await total(usage, 2, question(measure=api.USAGE_MEASURE_COUNT, group_by=[]))
        assert counted.unit == ""
        keys = api.ListUsageKeysRequest(start_unix_ms=START_MS - DAY_MS, end_unix_ms=START_MS + DAY_MS, key="team")
        assert list((await usage.ListUsageKeys(keys)).names) == ["t1", "t2"]


async def test_what_the_ledger_does_not_serve_names_who_does(tmp_path: Path) -> None:
    """Reports are the sidecars'; without a usage store nothing can be asked."""
    async with running(tmp_path) as ledger:
        usage = api_grpc.UsageServiceStub(ledger.channel)
        for call in (usage.ReportUsage(api.ReportUsageRequest()), usage.ReportUsageBulk(api.ReportUsageBulkRequest())):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await call
            assert fault_of(error.value)[:2] == (grpc.StatusCode.UNIMPLEMENTED, "SERVED_BY_SIDECAR")
            assert "sidecars" in str(error.value.details())
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await usage.QueryUsage(question())
        assert fault_of(error.value)[:2] == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
        assert "usage_store" in str(error.value.details())


async def test_events_are_taken_in(tmp_path: Path) -> None:
    """By whoever takes all others in."""
    async with running(tmp_path) as ledger:
        usage = api_grpc.UsageServiceStub(ledger.channel)
        await ledger.open_pool()
        event = api.UsageEvent(id="e", source="s", type="t", time_unix_ms=START_MS, account_id="a")
        answer = await usage.ReportEvents(api.ReportEventsRequest(events=[event]))
        assert answer.accepted_count == 1
        void = api.VoidEventsRequest(events=[api.EventName(account_id="a", source="s", id="e")])
        assert (await usage.VoidEvents(void)).accepted_count == 1


async def test_more_questions_than_can_wait_are_turned_away() -> None:
    """So that none is answered too late; those that wait are answered."""
    let_go, asked = threading.Event(), api.QueryUsageRequest()

    class Slow:
        def query(self, *_: object) -> api.QueryUsageResponse:
            let_go.wait()
            return api.QueryUsageResponse(total=1)

    servicer = UsageServicer(cast(Answers, Slow()), cast(Reports, None), lambda: START_MS)
    waiting = [asyncio.create_task(servicer.QueryUsage(asked)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await servicer.QueryUsage(asked)
    let_go.set()
    assert {answer.total for answer in await asyncio.gather(*waiting)} == {1}
    assert (await servicer.QueryUsage(asked)).total == 1
