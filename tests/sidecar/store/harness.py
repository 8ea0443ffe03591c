"""What the store's tests share: a workload that is the same each time, and a form in which states compare.

A batch writes its number into `meta.epoch`, so that a reopened store tells how far it came, and the state that it has
to be in follows from the number alone: the in-memory store, fed the same batches, is the reference.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from holdfast.v1 import ingest_service_pb2, usage_service_pb2
from holdfast_rating.metering import Aggregation, Filter, FilterOperator, UsageMeter
from holdfast_sidecar.engine.event_rows import EventRow, EventWrites, KnownEvent, Meters
from holdfast_sidecar.engine.rules import (
    AccountTerms,
    BudgetAction,
    BudgetRule,
    Calendar,
    ConcurrencyLimitRule,
    RateCardContent,
    RateLimitRule,
    RateUnit,
    SubjectRules,
)
from holdfast_sidecar.engine.state import Counter, Debit, Hold, Meta, Outcome, Pool, Snapshot, Window, Writes
from holdfast_sidecar.store.interface import Store
from holdfast_sidecar.store.lmdb_store import Durability, LmdbStore, open_store
from holdfast_sidecar.store.memory_store import MemoryDisk, MemoryStore

ROOT = Path(__file__).resolve().parents[3]
SIDECAR_ID = "sidecar-1"
BOOT_ID = "boot-1"
NOW_NS = 1_000_000_000
MAP_BYTES = 64 * 1024 * 1024
STRINGS = ("", "model", "gpt-5", "région")

State = dict[str, object]


def open_lmdb(
    folder: Path,
    *,
    durability: Durability = "process",
    sidecar_id: str = SIDECAR_ID,
    map_bytes: int = MAP_BYTES,
    boot_id: str = BOOT_ID,
    now_ns: int = NOW_NS,
) -> LmdbStore:
    """Opens a folder with the tests' defaults."""
    return open_store(
        folder, sidecar_id=sidecar_id, durability=durability, map_bytes=map_bytes, boot_id=boot_id, now_ns=now_ns
    )


def make_pool(number: int = 1, **totals: int) -> Pool:
    """A pool of its own account."""
    pool = Pool(f"account-{number}", f"pool-{number}", currency="credits", granted_total=1_000_000)
    for name, total in totals.items():
        setattr(pool, name, total)
    return pool


def make_hold(sequence: int, pool: Pool, **changes: object) -> Hold:
    """An open hold of 100."""
    hold = Hold(sequence, f"operation-{sequence}", pool, 100, 0, NOW_NS + 60, 60_000, "research/ann", (("model", "m"),))
    for name, value in changes.items():
        setattr(hold, name, value)
    return hold


def make_outcome(
    sequence: int, pool: Pool, *, kind: int = 2, answer: bytes = b"answer", denied: bool = False
) -> Outcome:
    """A recorded answer."""
    operation_id = f"operation-{kind}-{sequence}"
    return Outcome(
        sequence, pool.account_id, operation_id, pool.pool_id, kind, bytes(16), NOW_NS + sequence, answer, denied
    )


def make_debit(sequence: int, pool: Pool, amount: int = 60) -> Debit:
    """A debit with every field set."""
    return Debit(
        sequence,
        1,
        pool.account_id,
        pool.pool_id,
        amount,
        f"settle-{sequence}",
        f"operation-{sequence}",
        1_700_000_000_000 + sequence,
        "research/ann",
        (("feature", "chat"), ("model", "gpt-5")),
        True,
        7,
        True,
        1,
        caller="uid:1000",
    )


def make_window(pool: Pool, name: str = "team\x1f1700000000000", **values: object) -> Window:
    """A window of a pool's account."""
    window = Window(pool.account_id, name, granted_total=1_000)
    for field, value in values.items():
        setattr(window, field, value)
    return window


def make_rules(account_id: str = "account-1", subject: str = "research/ann", version: int = 3) -> SubjectRules:
    """A node with every kind of rule."""
    match = (("feature", "chat"), ("model", "gpt-5"))
    return SubjectRules(
        account_id,
        subject,
        version,
        has_children=True,
        budgets=(
            BudgetRule("team", BudgetAction.HARD, False, 100, "credits", "general", match, "month/Europe/Paris", 0),
            BudgetRule("hour", BudgetAction.THROTTLE, True, 7, "credits", "", (), "", 3_600_000),
        ),
        rate_limits=(
            RateLimitRule("calls", RateUnit.REQUESTS, (), 10, 1_000, 20, False, True, ()),
            RateLimitRule("tokens", RateUnit.QUANTITY, ("input", "output"), 1, 2, 3, True, False, match),
        ),
        concurrency_limits=(ConcurrencyLimitRule("slots", 5, True, False, match),),
        account=None if subject else AccountTerms(True, "card", 4, (("a", True), ("b", 7), ("c", ("x", "y"))), True),
    )


class Workload:
    """Batches like an engine's, from a seed; each call of `next_batch` makes one."""

    def __init__(self, seed: int = 1) -> None:
        self.batch_number = 0
        self._random = Random(seed)
        self._pools: list[Pool] = []
        self._windows: dict[Pool, tuple[Window, Window]] = {}
        self._open: dict[int, Hold] = {}
        self._sequence = 0
        self._debit_sequence = 0
        self._counter_total = 0
        self._event_sequence = 0

    def next_batch(self) -> Writes:
        """A batch that opens, changes and closes holds, debits, counts, evicts and trims."""
        self.batch_number += 1
        writes = Writes(meta=Meta(SIDECAR_ID, epoch=self.batch_number, birth_epoch=1, boot_id=BOOT_ID))
        if self.batch_number % 8 == 1:
            self._add_pool(writes)
        for _ in range(self._random.randint(1, 12)):
            self._open_hold(writes)
        for hold in self._random.sample(list(self._open.values()), len(self._open) // 3):
            self._settle(writes, hold)
        self._forget(writes)
        self._take_events(writes)
        return writes

    def _add_pool(self, writes: Writes) -> None:
        pool = make_pool(len(self._pools) + 1)
        self._pools.append(pool)
        self._windows[pool] = make_window(pool), make_window(pool, "slots\x1fc", leased=False)
        writes.pools.append(pool)
        writes.windows += self._windows[pool]
        writes.rules += [make_rules(pool.account_id, ""), make_rules(pool.account_id, "region/é" * 60)]
        writes.calendars.append(Calendar(f"month/{len(self._pools)}", (1, 2, self.batch_number + 3)))
        # Longer than a page of the tree.
        writes.rate_cards.append(RateCardContent("card", len(self._pools), self._random.randbytes(9000)))

    def _answer(self, writes: Writes, pool: Pool) -> None:
        self._sequence += 1
        # Some answers are too long for a page of the tree.
        answer = self._random.randbytes(self._random.choice((0, 40, 80, 80, 80, 5000)))
        writes.outcomes.append(make_outcome(self._sequence, pool, answer=answer, denied=self._random.random() < 0.1))

    def _open_hold(self, writes: Writes) -> None:
        pool = self._random.choice(self._pools)
        self._answer(writes, pool)
        hold = make_hold(self._sequence, pool, subject=self._random.choice(STRINGS))
        self._limit(hold)
        self._open[hold.sequence] = hold
        writes.holds.append(hold)

    def _limit(self, hold: Hold) -> None:
        budget, slots = self._windows[hold.pool]
        if self._random.random() < 0.5:
            hold.budgets = (budget,)
            hold.slots = (slots,)
        if self._random.random() < 0.3:
            hold.quantities, hold.max_output_tokens = (("input", 5), ("output", 0)), 4096
        around = [other for other in self._open.values() if other.pool is hold.pool]
        if around and self._random.random() < 0.3:
            hold.parent = self._random.choice(around)

    def _close(self, writes: Writes, hold: Hold) -> None:
        del self._open[hold.sequence]
        writes.closed_holds.append(hold.sequence)
        for other in self._open.values():
            if other.parent is hold:
                other.parent = hold.parent
                writes.holds = [*(kept for kept in writes.holds if kept is not other), other]

    def _settle(self, writes: Writes, hold: Hold) -> None:
        self._debit_sequence += 1
        self._answer(writes, hold.pool)
        writes.debits.append(make_debit(self._debit_sequence, hold.pool, 30))
        writes.debits[-1].windows = tuple(window.pool_id for window in hold.budgets)
        writes.debits[-1].quantities = hold.quantities
        hold.pool.consumed_total += 30
        for window in hold.budgets:
            window.consumed_total += 30
            writes.windows.append(window)
        if hold.pool not in writes.pools:
            writes.pools.append(hold.pool)
        writes.holds = [other for other in writes.holds if other is not hold]
        if self._random.random() < 0.3 and hold.amount > 30:
            hold.amount -= 30
            hold.settled_amount += 30
            writes.holds.append(hold)
            return
        self._close(writes, hold)

    def _forget(self, writes: Writes) -> None:
        assert writes.meta is not None
        writes.meta.last_sequence = self._debit_sequence
        writes.meta.acked_sequence = max(0, self._debit_sequence - 10)
        if self.batch_number % 5 == 0:
            self._counter_total += 3
            pool = self._pools[0]
            writes.counters.append(Counter(pool.account_id, pool.pool_id, "tokens", self._counter_total))
            writes.estimates += [(b"gpt-5\0chat", self._random.randbytes(40)), (b"gpt-4", b"old"), (b"gpt-4", b"")]
            writes.rules_dropped.append((pool.account_id, "region/é" * 60))
            writes.outcomes_evicted_to = max(0, self._sequence - 60)
            writes.debits_trimmed_to = max(0, self._debit_sequence - 40)

    def _take_events(self, writes: Writes) -> None:
        """Events come and leave, names are used once or twice and are forgotten."""
        assert writes.meta is not None
        events = writes.events = EventWrites(taken_at_unix_ms=self.batch_number)
        for _ in range(self._random.randint(0, 3)):
            count = self._random.randint(1, 4)
            # Some rows are too long for a page of the tree.
            event_id = self._random.randbytes(self._random.choice((10, 100, 4500))).hex()
            recorded = ingest_service_pb2.RecordedEvent(event=usage_service_pb2.UsageEvent(id=event_id))
            payload = ingest_service_pb2.EventBatch(events=[recorded] * count).SerializeToString()
            events.rows.append(EventRow(self._event_sequence + 1, count, self.batch_number, payload))
            self._event_sequence += count
        for _ in range(self._random.randint(0, 6)):
            name = event_name(self._random.randint(1, EVENT_NAMES))
            events.names[name] = KnownEvent(self._random.randbytes(16), self._random.random() < 0.2)
        writes.meta.acked_event_sequence = events.trimmed_to = max(0, self._event_sequence - 12)
        if self.batch_number % 4 == 0:
            events.forget_before_unix_ms, events.forget_most = max(0, self.batch_number - 12), 5
            events.name_limit = 25
        if self.batch_number % 6 == 0:
            events.meters = Meters(self.batch_number, (make_meter(f"meter-{self.batch_number}"),))


EVENT_NAMES = 60
"""Names that the workload's events have."""


def event_name(number: int) -> bytes:
    """The name of an event of the workload."""
    return b"prefix-of-12" + f"event-{number}".encode()


def make_meter(meter_id: str = "pages", **changes: Any) -> UsageMeter:
    """A meter with every field set that a sidecar needs."""
    filters = (Filter("region", FilterOperator.IN, ("eu", "us")), Filter("subject", FilterOperator.EXISTS))
    meter = UsageMeter(meter_id, "page.rendered", Aggregation.SUM, "pages", "", filters, 3, 2, "general", 5, 1000, "")
    return replace(meter, **changes)


def plain(row: object) -> object:
    """A row as a dictionary; a hold names its pool, its windows, and the holds around and inside it."""
    assert is_dataclass(row)
    values = {item.name: getattr(row, item.name) for item in fields(row)}
    if isinstance(row, Hold):
        values["pool"] = (row.pool.account_id, row.pool.pool_id)
        values["budgets"] = [window.pool_id for window in row.budgets]
        values["slots"] = [window.pool_id for window in row.slots]
        values["parent"] = None if row.parent is None else row.parent.sequence
        values["children"] = [child.sequence for child in row.children or ()]
    return values


def state_of(snapshot: Snapshot, store: Store) -> State:
    """All that a store has, to compare."""
    return {
        "meta": plain(snapshot.meta),
        "pools": sorted((plain(pool) for pool in snapshot.pools), key=str),
        "holds": [plain(hold) for hold in snapshot.holds],
        "outcomes": [plain(outcome) for outcome in snapshot.outcomes],
        "counters": [plain(counter) for counter in snapshot.counters],
        "windows": [plain(window) for window in snapshot.windows],
        "rules": snapshot.rules,
        "calendars": snapshot.calendars,
        "rate_cards": snapshot.rate_cards,
        "estimates": snapshot.estimates,
        "debits": store.read_debits(0, 1_000_000, 1 << 40),
        "events": store.read_events(0, 1_000_000, 1 << 40),
        "last_event": snapshot.last_event_sequence,
        "meters": snapshot.meters,
        "event_names": store.find_events([event_name(number) for number in range(1, EVENT_NAMES + 1)]),
    }


def load_and_close(store: Store) -> State:
    """The state of a store, which is closed."""
    state = state_of(store.load(), store)
    store.close()
    return state


class Reference:
    """The states that the workload goes through, by the number of the batch; 0 is the empty store."""

    def __init__(self, seed: int = 1) -> None:
        self._workload = Workload(seed)
        self._disk = MemoryDisk()
        self._states: list[State] = [self._reopened()]

    def state(self, batch_number: int) -> State:
        """The state after a batch."""
        while len(self._states) <= batch_number:
            writes = self._workload.next_batch()
            store = open_memory(self._disk)
            store.commit(writes)
            store.close()
            self._states.append(self._reopened())
        return self._states[batch_number]

    def _reopened(self) -> State:
        return load_and_close(open_memory(self._disk))


def open_memory(disk: MemoryDisk, *, boot_id: str = BOOT_ID, now_ns: int = NOW_NS) -> MemoryStore:
    """Opens a memory disk with the tests' defaults."""
    return MemoryStore(disk, sidecar_id=SIDECAR_ID, boot_id=boot_id, now_ns=now_ns)


def batch_number_of(state: State) -> int:
    """How far the workload came."""
    meta = state["meta"]
    assert isinstance(meta, dict)
    return int(meta["epoch"])


def say(line: str) -> None:
    """Writes a line for the parent, in one system call, so that it stands in a trace between the store's."""
    os.write(1, f"{line}\n".encode())


def child_command(name: str, *arguments: object) -> list[str]:
    """The command that runs one of the programs in `children`."""
    return [sys.executable, "-m", f"tests.sidecar.store.children.{name}", *map(str, arguments)]


def start_child(
    name: str, *arguments: object, prefix: Sequence[str] = (), variables: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Starts a child program with its output as text."""
    return subprocess.Popen(
        [*prefix, *child_command(name, *arguments)],
        cwd=ROOT,
        env={**os.environ, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_child(name: str, *arguments: object, variables: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Runs a child program to its end; a negative status is the signal that ended it."""
    child = start_child(name, *arguments, variables=variables)
    out, err = child.communicate(timeout=120)
    return child.returncode, out, err
