"""A kill at any point of metering, and a second replica beside it: charged once, nothing lost."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from holdfast.v1 import meter_pb2 as meters
from holdfast_ledger.bootstrap import open_store
from holdfast_ledger.metering import posting
from holdfast_ledger.store.interface import StoreFailed, Writer

from tests.ledger.harness import Books, Clock
from tests.ledger.metering.meterage import Meterage, event, meter, set_meters, take, void


class _Killed(Exception):
    """The process ends here."""


def _steps(meterage: Meterage) -> list[Callable[[], object]]:
    """What comes, one after another; metered between them."""
    return [
        lambda: meterage.take(event("1", 5), event("2", 7)),
        lambda: meterage.take(event("2", 7), event("3", 9, corrects_id="1")),
        lambda: meterage.take(void("2")),
    ]


@pytest.mark.parametrize("step", ["note", "post_charges", "make_corrections"])
@pytest.mark.parametrize("after", [False, True], ids=["before-commit", "after-commit"])
def test_a_kill_in_each_kind_of_transaction(
    meterage: Meterage, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    """Each first time that the transaction comes, it fails, or nobody hears that it did not."""
    meterage.set(meter(), meter("most", aggregation=meters.AGGREGATION_MAX))
    real, turned = getattr(posting, step), []

    def dies(writer: Writer, *rest: object) -> object:
        result = real(writer, *rest)
        turned.append(step)
        if len(turned) % 2 and not after:
            raise _Killed
        return result

    monkeypatch.setattr(posting, step, dies)
    for come in _steps(meterage):
        come()
        for _ in range(4):
            meterage.feed()
            try:
                if after and len(turned) % 2 == 0:
                    asyncio.run(_turn_unheard(meterage, monkeypatch))
                else:
                    asyncio.run(meterage.metering.turn())
            except (_Killed, StoreFailed):
                continue
    meterage.turn()
    assert turned
    assert (meterage.spent, meterage.quantity("tokens"), meterage.quantity("most")) == (36, 9, 9)


async def _turn_unheard(meterage: Meterage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes a turn that ends after its first transaction has committed, before anyone has heard of it."""
    run = meterage.writer.run

    async def unheard(*arguments: object) -> object:
        await run(*arguments)  # type: ignore[arg-type]
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(meterage.writer, "run", unheard)
        await meterage.metering.turn()


def test_replicas_that_meter_at_once(meterage: Meterage) -> None:
    """Both look at the same batches and charges; one transaction of each comes first."""
    meterage.set(meter())
    others = [meterage.replica() for _ in range(2)]

    async def at_once() -> None:
        await asyncio.gather(*(one.turn() for one in (meterage.metering, *others)))

    for number in range(4):
        meterage.take(*(event(f"{number}-{place}", 1, subject=f"s{place}") for place in range(20)))
        meterage.feed()
        asyncio.run(at_once())
    for one in others:
        one.close()
    assert meterage.spent == 4 * 20 * 2


LEDGER = """import sys
from holdfast_ledger.bootstrap import main
sys.exit(main(sys.argv[1:]))"""


def test_a_ledger_that_is_killed_charges_once(tmp_path: Path) -> None:
    """With its worker, again and again, while batches come."""
    database, usage = str(tmp_path / "ledger.sqlite"), str(tmp_path / "usage")
    clock = Clock()
    store = open_store(database)
    books = Books(store, clock)
    books.open_pool()
    books.grant("g", 1_000_000)
    set_meters(books, meter())
    for life in range(3):
        for place in range(20):
            take(books, event(f"{life}-{place}", 1, time_unix_ms=int(time.time() * 1_000)))
        command = [sys.executable, "-c", LEDGER, "--database", database, "--listen", "127.0.0.1:0"]
        flags = ["--usage-store", usage, "--metering-interval-ms", "20", "--usage-interval-ms", "20"]
        store.close()
        process = subprocess.Popen([*command, *flags], start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            _wait(database, lambda spent, life=life: spent > life * 40)  # type: ignore[misc]
            time.sleep(0.02 * life)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        store = open_store(database)
        books = Books(store, clock)
    store.close()
    command = [sys.executable, "-c", LEDGER, "--database", database, "--listen", "127.0.0.1:0"]
    process = subprocess.Popen([*command, *flags], start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        _wait(database, lambda spent: spent >= 120)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
    store = open_store(database)
    books = Books(store, clock)
    books.audit()
    assert books.pool().spent_total == 120
    store.close()


def _wait(database: str, so: Callable[[int], bool]) -> None:
    """Waits until what is spent is so."""
    deadline = time.monotonic() + 120
    store = open_store(database)
    try:
        while True:
            with store.reading() as reader:
                pool = reader.pool("a", "general")
            assert pool is not None
            if so(pool.spent_total):
                return
            assert time.monotonic() < deadline, pool.spent_total
            time.sleep(0.05)
    finally:
        store.close()
