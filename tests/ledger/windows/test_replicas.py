"""Two replicas over one PostgreSQL: one row a window, and never more than the limit."""

import asyncio
from pathlib import Path

from holdfast.v1 import governance_service_pb2 as api
from holdfast.v1 import ledger_service_pb2 as ledger_api
from holdfast_ledger.store.interface import Pool

from tests.ledger.governance.setting import Rules, budget
from tests.ledger.harness import Ledger, debit, instance
from tests.ledger.test_replicas import two_replicas
from tests.ledger.windows.rules import TODAY, TODAY_MS

HOST_COUNT = 12


def stored(ledger: Ledger, name: str) -> Pool:
    """A window as it is stored."""
    with ledger.store.reading() as reader:
        found = reader.pool("a", name)
    assert found is not None
    return found


async def test_all_that_ask_at_once_for_a_new_window_share_one(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as replicas:
        await replicas[0].open_pool(1_000)
        await Rules(replicas[0]).budgets(
            *(budget(f"b{n}", limit_amount=100, pool_id="general" if n else "") for n in range(2))
        )
        names = [f"b{n}\x1f{TODAY_MS}" for n in range(2)]
        streams = [replicas[n % 2].sync() for n in range(HOST_COUNT)]
        for number, stream in enumerate(streams):
            await stream.hello(f"s{number}", instance=instance(number))
        for name in names:
            leases = await asyncio.gather(*(stream.want(30, pool_id=name) for stream in streams))
            assert sum(lease.granted_total for lease in leases) <= 100
        for name in names:
            window = stored(replicas[0], name)
            assert (window.free, window.leased) == (0, 100)


async def test_both_open_and_count_the_same_windows_at_once(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as replicas:
        await replicas[0].open_pool(100_000)
        rules = Rules(replicas[0])
        await rules.subjects("x")
        await rules.budgets(
            budget("day", action=2, alert_bps=[5_000]),
            budget("mine", subject="x", action=2, alert_bps=[5_000]),
        )
        names = [TODAY, f"mine\x1f{TODAY_MS}"]

        async def spend(ledger: Ledger, number: int) -> None:
            stream = ledger.sync()
            await stream.hello(f"s{number}", instance=instance(number))
            for start in range(1, 61, 10):
                run = [debit(n, 1, operation_id=f"{number}-{n}", windows=names) for n in range(start, start + 10)]
                await stream.debits(*run)
                await stream.acked(start + 9)

        await asyncio.gather(*(spend(replicas[n % 2], n) for n in range(HOST_COUNT)))
        assert [stored(replicas[0], name).spent_total for name in names] == [HOST_COUNT * 60] * 2
        with replicas[0].store.reading() as reader:
            assert len(reader.events(None, 0, 10)) == 2, "each budget's half was reached once"


async def test_a_limit_that_changes_while_windows_are_opened_is_that_of_all(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool(1_000)
        rules = Rules(one)
        stream = two.sync()
        await stream.hello()

        async def change(number: int, limit: int) -> None:
            await rules.budgets(budget(f"b{number}", limit_amount=limit))

        for number in range(10):
            await change(number, 10)
            name = f"b{number}\x1f{TODAY_MS}"
            await asyncio.gather(stream.want(5, pool_id=name), change(number, 20))
            assert stored(one, name).granted_total == 20
            await one.governance.DeleteBudget(api.DeleteBudgetRequest(account_id="a", budget_id=f"b{number}"))


async def test_what_is_corrected_comes_back_once(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool(1_000)
        await Rules(one).budgets(budget("day", limit_amount=100))
        stream = one.sync()
        await stream.hello()
        await stream.debits(*(debit(n, 4, windows=[TODAY]) for n in range(1, 11)))
        await stream.acked(10)
        names = {"account_id": "a", "pool_id": "general"}
        asked = [
            ledger_api.CorrectDebitRequest(operation_id=f"op-{n}", correction_id=f"c-{n}", amount=3, **names)
            for n in range(1, 11)
        ]
        await asyncio.gather(*(ledger.api.CorrectDebit(request) for request in asked for ledger in (one, two)))
        assert stored(two, TODAY).spent_total == 10
