"""asyncio's ways to stop: cancelled awaits, timeouts, dropped generators, closed loops. No hang, no lost debit."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import holdfast
import pytest
from holdfast.aio import Session

from tests.client.conftest import Sidecar

Calls: TypeAlias = holdfast.AsyncClient | Session
Scenario: TypeAlias = Callable[[Calls], Awaitable[None]]


@pytest.fixture(params=["client", "session"])
def run(request: pytest.FixtureRequest, sidecar: Sidecar) -> Callable[[Scenario], None]:
    """Runs a scenario over a client, and over a session of one."""

    def run_scenario(scenario: Scenario) -> None:
        async def main() -> None:
            async with holdfast.AsyncClient(sidecar.target, timeout_ms=5_000) as client:
                if request.param == "client":
                    await scenario(client)
                    return
                async with client.session() as session:
                    await scenario(session)

        asyncio.run(main())

    return run_scenario


async def until_entered(sidecar: Sidecar) -> None:
    assert await asyncio.to_thread(sidecar.entered.wait, 60)


async def cancelled(task: "asyncio.Task[object]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def stuck(calls: Calls, counted: int | None) -> None:
    """A block that ends by its timeout, however long its hold took to open."""
    async with asyncio.timeout(None) as limit, calls.reserve("acme", 1_000) as hold:
        if counted is not None:
            hold.spend(counted)
        limit.reschedule(asyncio.get_running_loop().time() + 0.05)
        await asyncio.Event().wait()


def test_a_hold_that_opens_after_its_caller_left_is_given_back(
    run: Callable[[Scenario], None], sidecar: Sidecar
) -> None:
    """The reserve is under way when its caller is cancelled; the hold must not stay until its time to live."""
    sidecar.hold_back("reserve")

    async def scenario(calls: Calls) -> None:
        opening = asyncio.create_task(calls.reserve("acme", 1_000))
        await until_entered(sidecar)
        await cancelled(opening)
        sidecar.gate.set()

    run(scenario)
    assert len(sidecar.seen_of("release")) == 1
    assert sidecar.held() == 0


def test_a_hold_with_an_id_of_the_callers_is_left_to_the_caller(
    run: Callable[[Scenario], None], sidecar: Sidecar
) -> None:
    """Who chose the id may send it again, and would find the hold gone."""
    sidecar.hold_back("reserve")

    async def scenario(calls: Calls) -> None:
        opening = asyncio.create_task(calls.reserve("acme", 1_000, operation_id="mine"))
        await until_entered(sidecar)
        await cancelled(opening)
        sidecar.gate.set()
        async with calls.reserve("acme", 1_000, operation_id="mine") as hold:
            await hold.settle(10)

    run(scenario)
    assert not sidecar.seen_of("release")
    assert sidecar.posted["acme"] == 9_999_990


def test_a_cancelled_settle_still_debits_once(run: Callable[[Scenario], None], sidecar: Sidecar) -> None:
    sidecar.hold_back("settle")

    async def work(calls: Calls) -> None:
        async with calls.reserve("acme", 1_000) as hold:
            await hold.settle(600)

    async def scenario(calls: Calls) -> None:
        working = asyncio.create_task(work(calls))
        await until_entered(sidecar)
        working.cancel()
        sidecar.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await working

    run(scenario)
    assert {settle.operation_id for settle in sidecar.seen_of("settle")} == {sidecar.seen_of("settle")[0].operation_id}
    assert sidecar.posted["acme"] == 9_999_400
    assert not sidecar.seen_of("release")


def test_a_timeout_around_the_block_settles_what_was_counted(run: Callable[[Scenario], None], sidecar: Sidecar) -> None:
    async def scenario(calls: Calls) -> None:
        with pytest.raises(TimeoutError):
            await stuck(calls, 120)

    run(scenario)
    (settle,) = sidecar.seen_of("settle")
    assert (settle.amount, settle.estimated) == (120, True)
    assert sidecar.held() == 0


def test_a_timeout_before_spending_releases(run: Callable[[Scenario], None], sidecar: Sidecar) -> None:
    async def scenario(calls: Calls) -> None:
        with pytest.raises(TimeoutError):
            await stuck(calls, None)

    run(scenario)
    assert len(sidecar.seen_of("release")) == 1
    assert sidecar.held() == 0


def test_a_second_cancellation_does_not_lose_the_debit(run: Callable[[Scenario], None], sidecar: Sidecar) -> None:
    """Cancelled once in the block and once more while leaving it: the settle goes on in the background."""
    sidecar.hold_back("settle")
    counted = asyncio.Event()

    async def work(calls: Calls) -> None:
        async with calls.reserve("acme", 1_000) as hold:
            hold.spend(55)
            counted.set()
            await asyncio.Event().wait()

    async def scenario(calls: Calls) -> None:
        working = asyncio.create_task(work(calls))
        await counted.wait()
        working.cancel()
        await until_entered(sidecar)
        await cancelled(working)
        sidecar.gate.set()

    run(scenario)
    assert sidecar.posted["acme"] == 9_999_945
    assert not sidecar.seen_of("release")


def test_a_failing_task_group_settles_each_of_its_holds(run: Callable[[Scenario], None], sidecar: Sidecar) -> None:
    """One agent of a fan-out fails; the others are cancelled in the midst of their streams."""
    started = 0

    async def agent(calls: Calls, number: int) -> None:
        nonlocal started
        async with calls.reserve("acme", 1_000) as hold:
            hold.spend(number)
            started += 1
            while started < 20:
                await asyncio.sleep(0)
            if number == 7:
                raise ZeroDivisionError
            await asyncio.Event().wait()

    async def fan_out(calls: Calls) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(1, 21):
                group.create_task(agent(calls, number))

    async def scenario(calls: Calls) -> None:
        with pytest.raises(ExceptionGroup):
            await fan_out(calls)

    run(scenario)
    assert (sidecar.posted["acme"], sidecar.held()) == (10_000_000 - 210, 0)
    assert all(settle.estimated for settle in sidecar.seen_of("settle"))


def test_a_dropped_generator_settles_what_was_counted(run: Callable[[Scenario], None], sidecar: Sidecar) -> None:
    async def stream(calls: Calls) -> AsyncIterator[int]:
        async with calls.reserve("acme", 1_000) as hold:
            for chunk in range(100):
                hold.spend(10)
                yield chunk

    async def scenario(calls: Calls) -> None:
        async for chunk in stream(calls):
            if chunk == 2:
                break
        gc.collect()
        async with asyncio.timeout(60):
            while not sidecar.seen_of("settle"):  # the loop's hook closes the generator in a task of its own
                await asyncio.sleep(0.001)

    run(scenario)
    (settle,) = sidecar.seen_of("settle")
    assert (settle.amount, settle.estimated) == (30, True)


def test_a_reserve_that_nobody_sent_has_no_effect(run: Callable[[Scenario], None], sidecar: Sidecar) -> None:
    """Cancelled before its first step."""

    async def scenario(calls: Calls) -> None:
        await cancelled(asyncio.create_task(calls.reserve("acme", 1_000)))

    run(scenario)
    assert not sidecar.seen


def test_a_cancelled_check_is_just_gone(run: Callable[[Scenario], None], sidecar: Sidecar) -> None:
    sidecar.hold_back("check")

    async def scenario(calls: Calls) -> None:
        asking = asyncio.create_task(calls.check("acme"))
        await until_entered(sidecar)
        await cancelled(asking)
        sidecar.gate.set()

    run(scenario)
    assert not sidecar.seen_of("release")


def test_closing_during_a_check_is_not_a_cancellation(sidecar: Sidecar) -> None:
    """grpc cancels the call's future; the caller's task was not cancelled and must not look as if."""
    sidecar.hold_back("check")

    async def main() -> None:
        client = holdfast.AsyncClient(sidecar.target, timeout_ms=5_000)
        asking = asyncio.create_task(client.check("acme"))
        await until_entered(sidecar)
        await client.close()
        with pytest.raises(holdfast.ClientClosed):
            await asking

    asyncio.run(main())


def test_closing_waits_for_a_charge_under_way(sidecar: Sidecar) -> None:
    sidecar.hold_back("charge")

    async def main() -> None:
        client = holdfast.AsyncClient(sidecar.target, timeout_ms=5_000)
        charging = asyncio.create_task(client.charge("acme", 5))
        await until_entered(sidecar)
        asyncio.get_running_loop().call_soon(sidecar.gate.set)
        await client.close()
        assert (await charging).debited_amount == 5

    asyncio.run(main())


def test_a_client_outlives_its_loop(sidecar: Sidecar) -> None:
    """A second event loop gets a channel of its own; the closed one is not touched."""
    client = holdfast.AsyncClient(sidecar.target)

    async def once() -> None:
        await client.charge("acme", 1)

    for _ in range(3):
        asyncio.run(once())
    asyncio.run(client.close())
    assert sidecar.posted["acme"] == 9_999_997


def test_a_loop_closed_in_the_midst_does_not_hang(sidecar: Sidecar) -> None:
    """No clean-up at all: the loop is closed under an open hold, a live session and a running call."""
    sidecar.hold_back("charge")
    client = holdfast.AsyncClient(sidecar.target, timeout_ms=5_000)
    loop = asyncio.new_event_loop()

    async def begin() -> tuple[holdfast.aio.Hold, "asyncio.Task[holdfast.Charged]"]:
        session = client.session()
        hold = await session.reserve("acme", 10)
        charge = asyncio.ensure_future(client.charge("acme", 1))
        await until_entered(sidecar)
        return hold, charge

    hold, charge = loop.run_until_complete(begin())
    charge.cancel()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    sidecar.gate.set()
    del hold, charge
    gc.collect()
