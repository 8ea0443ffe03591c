"""The same debits in any order, cut anywhere, from any host: the same burn, and nothing paid before what was given."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import ledger_sync_service_pb2 as wire

from tests.ledger.harness import START_MS, Books, Ledger, debit, instance
from tests.ledger.test_replicas import two_replicas

GRANTS: dict[str, dict[str, Any]] = {
    "gift": {"amount": 150, "category": 1, "expires_at_ms": START_MS + 50_000},
    "gift-later": {"amount": 100, "category": 1, "expires_at_ms": START_MS + 90_000},
    "bonus": {"amount": 77, "category": 1},
    "bought": {"amount": 120, "category": 2, "expires_at_ms": START_MS + 60_000},
    "plan": {"amount": 300, "category": 2},
}
"""In the order of burning."""

AMOUNTS = [1 + 7 * number % 23 for number in range(50)]
HOSTS = ("s", "t", "u")


def assert_in_order(burned: Iterable[tuple[str, int]]) -> None:
    """Along the journal, a grant burns only when those before it are used up."""
    left = {name: grant["amount"] for name, grant in GRANTS.items()}
    for name, amount in burned:
        assert next(grant for grant, rest in left.items() if rest) == name
        left[name] -= amount
        assert left[name] >= 0


def expected() -> dict[str, int]:
    """What the grants give in their order."""
    due, result = sum(AMOUNTS), {}
    for name, grant in GRANTS.items():
        result[name] = min(due, grant["amount"])
        due -= result[name]
    assert due == 0
    return {name: amount for name, amount in result.items() if amount}


@pytest.mark.parametrize("seed", range(25))
def test_debits_of_several_hosts_burn_the_same_in_any_interleaving(books: Books, seed: int) -> None:
    chance = random.Random(seed)
    books.open_pool()
    for name in chance.sample(list(GRANTS), len(GRANTS)):
        books.grant(name, **GRANTS[name])
    sequences = Counter[str]()
    for number, host in enumerate(HOSTS):
        books.hello(host, instance=instance(number))
        books.lease_for(200, host)
    left = chance.sample(list(enumerate(AMOUNTS)), len(AMOUNTS))
    while left:
        host, count = chance.choice(HOSTS), chance.randint(1, 5)
        run, left = left[:count], left[count:]
        debits: list[wire.Debit] = []
        for number, amount in run:
            sequences[host] += 1
            debits.append(debit(sequences[host], amount, operation_id=f"op-{number}"))
        books.post(*debits, sidecar_id=host)
    burned = [(line.grant_id, line.amount) for line in books.journal() if line.operation_id]
    assert_in_order(burned)
    totals = Counter[str]()
    for name, amount in burned:
        totals[name] += amount
    assert totals == expected()


async def test_fifty_parallel_debits_over_two_replicas_burn_the_same(tmp_path: Path, postgres_url: str) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, two):
        await one.open_pool()
        for name, grant in GRANTS.items():
            said = api.Grant(
                grant_id=name, account_id="a", pool_id="general", amount=grant["amount"],
                category=api.GrantCategory.Name(grant["category"]),
                expires_at_unix_ms=grant.get("expires_at_ms", 0),
            )  # fmt: skip
            await one.api.CreateGrant(api.CreateGrantRequest(grant=said))

        async def spend(ledger: Ledger, number: int) -> None:
            stream = ledger.sync()
            await stream.hello(f"s{number}", instance=instance(number))
            await stream.debits(debit(1, AMOUNTS[number], operation_id=f"op-{number}"))
            await stream.acked(1)

        await asyncio.gather(*(spend((one, two)[number % 2], number) for number in range(len(AMOUNTS))))
        burned = [(x.grant_id, x.amount) for x in await two.entries() if x.operation_id]
        assert_in_order(burned)
        totals = Counter[str]()
        for name, amount in burned:
            totals[name] += amount
        assert totals == expected()
