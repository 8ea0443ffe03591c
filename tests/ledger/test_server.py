"""A replica as operators meet it: health, reflection, metrics, ports, signals."""

import asyncio
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from holdfast_bench.ports import unused_port

from tests.ledger.harness import debit, running


async def test_health_is_on_the_service_port(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        stub: Any = health_pb2_grpc.HealthStub(ledger.channel)
        for name in ("", "holdfast.v1.LedgerService", "holdfast.v1.LedgerSyncService"):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def reflected(channel: Any, request: reflection_pb2.ServerReflectionRequest) -> Any:
    """Asks for reflection; the generated stubs know no asyncio."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    return stub.ServerReflectionInfo(iter([request]))


async def test_reflection_is_on_the_admin_port_alone(tmp_path: Path) -> None:
    async with running(tmp_path, admin_listen="127.0.0.1:0") as ledger:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ledger.server.admin_port}") as channel:
            call = reflected(channel, request)
            names = {service.name async for answer in call for service in answer.list_services_response.service}
        assert {"holdfast.v1.LedgerService", "holdfast.v1.LedgerSyncService"} <= names
        call = reflected(ledger.channel, request)
        with pytest.raises(grpc.RpcError):
            await call.read()


async def test_metrics_tell_what_became_of_debits(tmp_path: Path) -> None:
    port = unused_port()
    async with running(tmp_path, metrics_port=port) as ledger:
        await ledger.open_pool(100)
        stream = ledger.sync()
        await stream.hello()
        await stream.want(50)
        await stream.debits(debit(1, 150), debit(2, operation_id="op-1"), debit(3, pool_id="none"))
        await stream.acked(3)
        await stream.want(5)
        text = await asyncio.to_thread(read, f"http://127.0.0.1:{port}/metrics")
        for line in (
            'holdfast_ledger_debits_total{outcome="posted"} 1.0',
            'holdfast_ledger_debits_total{outcome="duplicate"} 1.0',
            'holdfast_ledger_debits_total{outcome="quarantined"} 1.0',
            'holdfast_ledger_deliveries_total{outcome="dead"} 0.0',
            "holdfast_ledger_streams 1.0",
            'holdfast_ledger_overdrawn_pools{currency="credits"} 1.0',
            'holdfast_ledger_overdraft_amount{currency="credits"} 50.0',
            'holdfast_ledger_leased_amount{currency="credits"} 0.0',
            'holdfast_ledger_allowance_leased_amount{currency="credits"} 0.0',
            'holdfast_ledger_overdraft_bound_amount{currency="credits"} 50.0',
            'holdfast_ledger_unleased_amount_total{currency="credits"} 100.0',
            'holdfast_ledger_recall_rounds_total{currency="credits"} 0.0',
            'holdfast_ledger_deliveries_held{state="pending"} 0.0',
            "holdfast_ledger_transaction_seconds_count",
        ):
            assert line in text


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        content: bytes = answer.read()
    return content.decode()


async def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with running(tmp_path) as ledger:
        with pytest.raises(RuntimeError):
            async with running(tmp_path / "other", listen=f"127.0.0.1:{ledger.server.port}"):
                pass


async def test_cut_streams_are_forgotten_without_a_complaint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(100)
        for number in range(50):
            stream = ledger.sync()
            await stream.hello(f"s{number}")
            stream.cancel()
        async with asyncio.timeout(60):
            while ledger.server.statistics().stream_count:
                await asyncio.sleep(0.005)
    assert not caplog.records
