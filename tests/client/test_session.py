"""Sessions: one message a tick, and what becomes of operations when the stream is lost."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import holdfast
import pytest
from holdfast import operations
from holdfast.sync import Session

from tests.client.conftest import Caller, Fault, MakeClient, Sidecar

Scenario = Callable[[holdfast.AsyncClient], Awaitable[None]]


def run(sidecar: Sidecar, scenario: Scenario, **settings: Any) -> None:
    async def main() -> None:
        async with holdfast.AsyncClient(sidecar.target, **{"timeout_ms": 5_000, **settings}) as client:
            await scenario(client)

    asyncio.run(main())


def test_fifty_reserves_of_one_tick_are_one_message(sidecar: Sidecar) -> None:
    async def scenario(client: holdfast.AsyncClient) -> None:
        async with client.session() as session:
            holds = await asyncio.gather(*(session.reserve("acme", amount) for amount in range(1, 51)))
            assert [hold.amount for hold in holds] == list(range(1, 51))
            assert [len(message.execute.operations) for message in sidecar.messages] == [50]
            await asyncio.gather(*(hold.settle(1) for hold in holds))
            assert [len(message.execute.operations) for message in sidecar.messages] == [50, 50]
            statistics = session.statistics()
            assert (statistics.messages, statistics.operations, statistics.pending) == (2, 100, 0)

    run(sidecar, scenario)
    assert sidecar.posted["acme"] == 9_999_950
    assert sidecar.streams["opened"] == 1


def test_a_tick_of_many_is_split(sidecar: Sidecar) -> None:
    """At most 256 operations a message."""

    async def scenario(client: holdfast.AsyncClient) -> None:
        session = client.session()
        await asyncio.gather(*(session.charge("acme", 1) for _ in range(600)))

    run(sidecar, scenario)
    assert [len(message.execute.operations) for message in sidecar.messages] == [256, 256, 88]


def test_large_operations_are_split_by_bytes(sidecar: Sidecar) -> None:
    """A message stays below the sidecar's limit of 64 KiB, whatever its operations carry."""
    dimensions = {f"key-{number}": "v" * 256 for number in range(16)}

    async def scenario(client: holdfast.AsyncClient) -> None:
        session = client.session()
        await asyncio.gather(*(session.charge("acme", 1, dimensions=dimensions) for _ in range(60)))

    run(sidecar, scenario)
    assert sum(len(message.execute.operations) for message in sidecar.messages) == 60
    assert all(message.ByteSize() <= 65_536 for message in sidecar.messages)
    assert 4 < len(sidecar.messages) < 10


def test_an_operation_that_fits_no_message_is_refused_alone(caller: Caller, sidecar: Sidecar) -> None:
    """A huge id does not end the stream that others use (and the sidecar itself refuses it on a call)."""
    if not hasattr(caller, "get_balance"):
        with pytest.raises(holdfast.ResourceExhausted):
            caller.charge("acme", 1, operation_id="x" * 1_000_000)
    assert caller.charge("acme", 1).debited_amount == 1


def test_linked_operations_travel_alone(sidecar: Sidecar) -> None:
    async def scenario(client: holdfast.AsyncClient) -> None:
        session = client.session()
        linked = session.execute([operations.charge("acme", 1), operations.charge("acme", 2)], linked=True)
        await asyncio.gather(session.charge("acme", 4), linked, session.charge("acme", 8))

    run(sidecar, scenario)
    assert sorted((m.execute.linked, len(m.execute.operations)) for m in sidecar.messages) == [(False, 2), (True, 2)]
    assert sidecar.posted["acme"] == 9_999_985


def test_a_fault_of_one_leaves_its_neighbours(sidecar: Sidecar) -> None:
    async def scenario(client: holdfast.AsyncClient) -> None:
        session = client.session()
        answers = await asyncio.gather(
            session.charge("acme", 1),
            session.release("acme", "none"),
            session.charge("acme", 2),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [holdfast.Charged, holdfast.NotFound, holdfast.Charged]

    run(sidecar, scenario)


@pytest.mark.parametrize("runtime", ["sync", "aio"], indirect=True)
def test_a_cut_stream_is_opened_again(make_client: MakeClient, sidecar: Sidecar) -> None:
    """The operations had been carried out; sent again with their ids, they are debited once."""
    sidecar.break_after = 2
    client = make_client()
    session = client.session()
    assert session.charge("acme", 5).debited_amount == 5
    assert sidecar.posted["acme"] == 9_999_995
    assert len({charge.operation_id for charge in sidecar.seen_of("charge")}) == 1
    assert (sidecar.streams["opened"], session.statistics().breaks) == (3, 2)
    assert client.statistics().retries == 2


def test_order_is_kept_when_a_stream_is_cut(sidecar: Sidecar) -> None:
    async def scenario(client: holdfast.AsyncClient) -> None:
        sidecar.break_after = 1
        session = client.session()
        await asyncio.gather(*(session.charge("acme", 1, operation_id=f"c-{number}") for number in range(300)))

    run(sidecar, scenario)
    last = [op.charge.operation_id for message in sidecar.messages[-2:] for op in message.execute.operations]
    assert last == [f"c-{number}" for number in range(300)]
    assert sidecar.posted["acme"] == 9_999_700


def test_an_idle_stream_that_ends_is_opened_by_the_next_operation(make_client: MakeClient, sidecar: Sidecar) -> None:
    session = make_client().session()
    session.charge("acme", 1)
    sidecar.stop()
    sidecar.start()
    assert session.charge("acme", 1).posted == 9_999_998


def test_a_refused_stream_tells_everyone(make_client: MakeClient, sidecar: Sidecar) -> None:
    """A definite fault of the stream is not tried again."""
    sidecar.fail("session", Fault(grpc.StatusCode.PERMISSION_DENIED, "UID_NOT_ALLOWED"), times=9)
    session = make_client().session()
    with pytest.raises(holdfast.PermissionDenied) as caught:
        session.charge("acme", 1, operation_id="c-1")
    assert (caught.value.reason, caught.value.operation_id) == ("UID_NOT_ALLOWED", "c-1")
    assert sidecar.streams["opened"] == 1


def test_threads_share_messages(sidecar: Sidecar) -> None:
    """What many threads ask while a message is under way goes into the next one."""
    thread_count = 16
    together = threading.Barrier(thread_count)

    def work(session: Session) -> int:
        together.wait(60)
        with session.reserve("acme", 10) as hold:
            return hold.settle(7).debited_amount

    with (
        holdfast.Client(sidecar.target, timeout_ms=5_000) as client,
        client.session() as session,
        ThreadPoolExecutor(thread_count) as pool,
    ):
        assert list(pool.map(work, [session] * thread_count)) == [7] * thread_count
        statistics = session.statistics()
    assert (statistics.operations, statistics.pending) == (32, 0)
    assert statistics.messages < 32
    assert sidecar.posted["acme"] == 10_000_000 - 7 * thread_count


def test_closing_waits_for_what_is_under_way(sidecar: Sidecar) -> None:
    async def scenario(client: holdfast.AsyncClient) -> None:
        session = client.session()
        charge = asyncio.create_task(session.charge("acme", 3))
        await asyncio.sleep(0)
        await session.close()
        assert (await charge).debited_amount == 3

    run(sidecar, scenario)


def test_a_session_belongs_to_one_loop(sidecar: Sidecar) -> None:
    client = holdfast.AsyncClient(sidecar.target)
    session = client.session()

    async def once() -> None:
        await session.check("acme")

    async def end() -> None:
        await session.close()

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(once())
        with pytest.raises(RuntimeError, match="another event loop"):
            second.run(once())
        first.run(end())
        first.run(client.close())
