"""Windows over the stream: leased by name, counted as debits are acked, told of when their rules change."""

from pathlib import Path

import pytest
from holdfast.v1 import governance_service_pb2 as api
from holdfast.v1 import ledger_service_pb2 as ledger_api
from holdfast.v1 import ledger_sync_service_pb2 as wire

from tests.ledger.governance.setting import Rules, budget
from tests.ledger.harness import Ledger, debit, instance, running
from tests.ledger.windows.rules import TODAY

pytestmark = pytest.mark.usefixtures("every_store")

ROLLING = "roll\x1f0"


def rolling(limit: int) -> api.Budget:
    period = api.Period(unit=api.PERIOD_UNIT_ROLLING, rolling_ms=3_600_000)
    return budget("roll", limit_amount=limit, period=period)


async def usage(ledger: Ledger) -> dict[str, tuple[int, int, int]]:
    """Limit, used and leased of each budget."""
    answer: api.ListBudgetsResponse = await ledger.governance.ListBudgets(api.ListBudgetsRequest(account_id="a"))
    return {x.budget.budget_id: (x.limit_amount, x.used_amount, x.leased_amount) for x in answer.budgets}


async def test_a_window_is_leased_counted_and_listed(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        await Rules(ledger).budgets(budget("day", limit_amount=100), rolling(50))
        stream = ledger.sync()
        await stream.hello()
        assert (await stream.want(60, pool_id=TODAY)).granted_total == 60
        await stream.debits(debit(1, 10, windows=[TODAY, ROLLING]), debit(2, 5, windows=[TODAY]))
        await stream.acked(2)
        lease = await stream.want(70, pool_id=TODAY, consumed_total=15)
        assert (lease.posted_total, lease.granted_total, lease.pool_posted) == (15, 85, 85)
        assert await usage(ledger) == {"day": (100, 15, 70), "roll": (50, 10, 0)}
        pools = (await ledger.api.ListPools(ledger_api.ListPoolsRequest(account_id="a"))).pools
        assert [x.pool.pool_id for x in pools] == ["general"]


async def test_a_changed_limit_is_told_and_a_deleted_one_is_unknown(tmp_path: Path) -> None:
    async with running(tmp_path, sweep_interval_ms=60_000) as ledger:
        await ledger.open_pool(1_000)
        rules = Rules(ledger)
        await rules.budgets(budget("day", limit_amount=100))
        stream = ledger.sync()
        await stream.hello()
        assert (await stream.want(100, pool_id=TODAY)).granted_total == 100
        assert (await stream.want(101, pool_id=TODAY)).denied
        await rules.budgets(budget("day", limit_amount=150))
        told = await stream.told_until(lambda lease: lease.pool_id == TODAY and lease.pool_free == 50)
        assert told.pool_posted == 150
        await ledger.governance.DeleteBudget(api.DeleteBudgetRequest(account_id="a", budget_id="day"))
        await stream.told_until(lambda lease: lease.status == wire.LEASE_STATUS_UNKNOWN_POOL)
        assert (await stream.want(1, pool_id=TODAY)).status == wire.LEASE_STATUS_UNKNOWN_POOL


async def test_what_another_host_can_spare_comes_over(tmp_path: Path) -> None:
    async with running(tmp_path, sweep_interval_ms=60_000) as ledger:
        await ledger.open_pool(1_000)
        await Rules(ledger).budgets(budget("day", limit_amount=100))
        rich, poor = ledger.sync(), ledger.sync()
        await rich.hello("rich")
        await poor.hello("poor", instance=instance(2))
        await rich.want(100, pool_id=TODAY)
        assert (await poor.want(30, pool_id=TODAY)).pending
        asked = await rich.told_until(lambda lease: lease.recall_round > 0)
        totals = {"granted_total": 100, "returned_total": asked.recall_amount}
        await rich.want(0, pool_id=TODAY, recall_round=asked.recall_round, **totals)
        got = await poor.told_until(lambda lease: not lease.pending)
        assert got.granted_total == 30


async def test_a_sidecar_that_comes_back_hears_of_its_windows(tmp_path: Path) -> None:
    async with running(tmp_path) as ledger:
        await ledger.open_pool(1_000)
        await Rules(ledger).budgets(budget("day", limit_amount=100))
        stream = ledger.sync()
        welcome = await stream.hello()
        await stream.want(40, pool_id=TODAY)
        again = await ledger.sync().hello(epoch=welcome.epoch)
        assert [(lease.pool_id, lease.granted_total) for lease in again.leases] == [(TODAY, 40)]


@pytest.mark.parametrize("name", ["day\x1f", "\x1fc", "day\x1fx", "da\ny\x1fc"])
async def test_a_name_that_no_window_can_have_ends_the_stream(tmp_path: Path, name: str) -> None:
    async with running(tmp_path) as ledger:
        stream = ledger.sync()
        await stream.hello()
        await stream.send(lease_request={"request_id": 1, "wants": [{"account_id": "a", "pool_id": name}]})
        assert (await stream.fault())[1:] == ("BAD_MESSAGE", "lease_request.wants[0].pool_id")
