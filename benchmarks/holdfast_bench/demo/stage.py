"""The processes that the demo plays on: a ledger and a sidecar with their data, the wallet, the crash.

Everything here blocks; the acts call it from other threads than the agents'.
"""

import contextlib
import importlib.util
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import holdfast
from holdfast.v1.ledger_service_pb2 import (
    Account,
    CreateAccountRequest,
    CreateGrantRequest,
    CreatePoolRequest,
    Entry,
    GetPoolRequest,
    Grant,
    ListEntriesRequest,
    ListGrantsRequest,
    Pool,
    PoolBalance,
)
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub
from prometheus_client.parser import text_string_to_metric_families

from holdfast_bench import system
from holdfast_bench.demo.plan import GRANTS, amounts
from holdfast_bench.options import Transport

ACCOUNT = "acme"
POOL = "general"
TIMEOUT_S = 10.0
"""Of a call to the ledger."""
DRAIN_TIMEOUT_S = 60.0
PAGE_ITEMS = 1_000
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Drained:
    """What the sidecar says when it has sent everything."""

    balance: holdfast.Balance
    outbox_count: int
    """Debits that the ledger has not acked."""
    replay_count: int
    """Operations sent again that it answered from its record, in this life."""


class Stage:
    """A ledger on SQLite and a sidecar beside it, until it is closed.

    They are in groups of their own: a Ctrl-C is this process's, which stops them in their order.
    """

    def __init__(self, folder: Path, transport: Transport) -> None:
        """Starts both. Raises ProcessFailed."""
        self.folder = folder
        self.transport = transport
        self._exits = contextlib.ExitStack()
        try:
            flags = ["--http-listen", "127.0.0.1:0", *usage_flags(folder)]
            self._ledger = self._exits.enter_context(system.ledger(folder, own_group=True, flags=flags))
            channel = self._exits.enter_context(grpc.insecure_channel(self._ledger.target))
            self._stub = LedgerServiceStub(channel)
            self._sidecar = self._start_sidecar()
            self._exits.callback(self._stop_sidecar)
        except BaseException:
            self._exits.close()
            raise

    @property
    def console_url(self) -> str:
        """Where the ledger's console is, as long as it runs."""
        return self._ledger.console_url

    @property
    def sidecar_target(self) -> str:
        """Where callers find the sidecar, in all its lives."""
        return self._sidecar.target

    @property
    def metrics_url(self) -> str:
        """The sidecar's metrics, in its present life."""
        return f"http://{self._sidecar.metrics_target}/metrics"

    def fill_wallet(self, wallet: int) -> None:
        """Creates the account, its pool and the grants, and waits until the sidecar may spend."""
        self._stub.CreateAccount(CreateAccountRequest(account=Account(account_id=ACCOUNT)), timeout=TIMEOUT_S)
        self._stub.CreatePool(CreatePoolRequest(pool=Pool(account_id=ACCOUNT, pool_id=POOL)), timeout=TIMEOUT_S)
        now_ms = time.time_ns() // 1_000_000
        for plan in GRANTS:
            grant = Grant(
                grant_id=plan.grant_id,
                account_id=ACCOUNT,
                pool_id=POOL,
                amount=amounts(wallet)[plan.grant_id],
                category=plan.category,
                priority=plan.priority,
                expires_at_unix_ms=now_ms + plan.lifetime_ms if plan.lifetime_ms else 0,
            )
            self._stub.CreateGrant(CreateGrantRequest(grant=grant), timeout=TIMEOUT_S)
        deadline_s = time.monotonic() + TIMEOUT_S
        with holdfast.Client(self.sidecar_target) as client:
            while not client.check(ACCOUNT, pool=POOL):
                if time.monotonic() > deadline_s:
                    raise TimeoutError("the sidecar got no rights from the ledger")
                time.sleep(_POLL_S)

    def check_alive(self) -> None:
        """Raises ProcessFailed if one of them has ended by itself."""
        self._ledger.check_alive()
        self._sidecar.check_alive()

    def crash_sidecar(self) -> None:
        """Kills the sidecar (SIGKILL)."""
        self._sidecar.kill()

    def revive_sidecar(self) -> None:
        """Starts the sidecar again on the same folder and address. Raises ProcessFailed."""
        self._sidecar = self._start_sidecar()

    def await_drained(self) -> Drained:
        """Waits until the ledger has all debits; returns the sidecar's figures at the end. Raises ProcessFailed.

        Past `DRAIN_TIMEOUT_S` it returns them as they are: the reconciliation tells what is wrong with them.
        """
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        with holdfast.Client(self.sidecar_target) as client:
            while True:
                self.check_alive()
                metrics = scrape(self.metrics_url)
                found = Drained(
                    client.get_balance(ACCOUNT, POOL),
                    round(metrics["holdfast_outbox_debits"]),
                    round(metrics["holdfast_replays_total"]),
                )
                if found.outbox_count == 0 or time.monotonic() > deadline_s:
                    return found
                time.sleep(_POLL_S)

    def pool_balance(self) -> PoolBalance:
        """The pool's figures at the ledger."""
        request = GetPoolRequest(account_id=ACCOUNT, pool_id=POOL)
        found: PoolBalance = self._stub.GetPool(request, timeout=TIMEOUT_S).balance
        return found

    def grants(self) -> list[Grant]:
        """The grants in the order in which the ledger burns them."""
        request = ListGrantsRequest(account_id=ACCOUNT, pool_id=POOL, page_size=PAGE_ITEMS)
        return list(self._stub.ListGrants(request, timeout=TIMEOUT_S).grants)

    def entries(self) -> Iterator[Entry]:
        """The whole journal of the pool."""
        request = ListEntriesRequest(account_id=ACCOUNT, pool_id=POOL, page_size=PAGE_ITEMS)
        while True:
            page = self._stub.ListEntries(request, timeout=TIMEOUT_S)
            yield from page.entries
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def close(self) -> None:
        """Stops both, the sidecar first."""
        self._exits.close()

    def _stop_sidecar(self) -> None:
        self._sidecar.stop()  # whichever life is the last one

    def _start_sidecar(self) -> system.Process:
        return system.sidecar(
            self.folder,
            self._ledger.target,
            transport=self.transport,
            durability="host",
            unix_socket=True,
            metrics=True,
            own_group=True,
        )


def usage_flags(folder: Path) -> list[str]:
    """What makes the ledger keep usage for the console's breakdowns, where the engine for that is installed."""
    return ["--usage-store", str(folder / "usage")] if importlib.util.find_spec("chdb") else []


def scrape(url: str) -> dict[str, float]:
    """Reads the samples without labels of a Prometheus endpoint. Raises OSError."""
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        text = answer.read().decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.labels
    }
