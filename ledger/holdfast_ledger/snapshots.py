"""Carries out queries on snapshots of the store, on threads of their own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from holdfast_ledger.errors import Unavailable
from holdfast_ledger.store.interface import Reader, Store, StoreError

T = TypeVar("T")


class Snapshots:
    """What all services of a replica read with."""

    def __init__(self, store: Store, threads: Executor) -> None:
        self._store = store
        self._threads = threads

    async def read(self, query: Callable[[Reader], T]) -> T:
        """Carries a query out. Raises what it raises, and `Unavailable` if the store fails."""

        def on_snapshot() -> T:
            try:
                with self._store.reading() as reader:
                    return query(reader)
            except StoreError as fault:
                raise Unavailable(f"the store failed: {fault}") from fault

        return await asyncio.get_running_loop().run_in_executor(self._threads, on_snapshot)
