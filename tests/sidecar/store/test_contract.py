"""What every store does, run over both: the same calls, the same state after a reopening."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from holdfast.v1 import ledger_sync_service_pb2 as sync_pb2
from holdfast_sidecar.engine.event_rows import EventRow, EventWrites, KnownEvent, Meters
from holdfast_sidecar.engine.rules import Calendar, RateCardContent
from holdfast_sidecar.engine.state import Counter, Hold, Meta, Pool, Writes
from holdfast_sidecar.store.interface import (
    COMMIT_BOUNDS_US,
    Store,
    StoreError,
    StoreFailed,
    StoreLocked,
    StoreUnusable,
)
from holdfast_sidecar.store.lmdb_store import Durability
from holdfast_sidecar.store.memory_store import MemoryDisk

from tests.sidecar.store.harness import (
    BOOT_ID,
    NOW_NS,
    SIDECAR_ID,
    Reference,
    Workload,
    load_and_close,
    make_debit,
    make_hold,
    make_meter,
    make_outcome,
    make_pool,
    make_rules,
    make_window,
    open_lmdb,
    open_memory,
    plain,
)

Reopen = Callable[..., Store]


@pytest.fixture(params=["host", "process", "memory"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reopen]:
    """Opens one place again and again; what is still open at the end is closed."""
    opened: list[Store] = []
    disk = MemoryDisk()

    def open_again(*, boot_id: str = BOOT_ID, now_ns: int = NOW_NS) -> Store:
        if request.param == "memory":
            opened.append(open_memory(disk, boot_id=boot_id, now_ns=now_ns))
        else:
            durability: Durability = "host" if request.param == "host" else "process"
            opened.append(open_lmdb(tmp_path / "store", durability=durability, boot_id=boot_id, now_ns=now_ns))
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()


def test_a_new_store_is_empty(reopen: Reopen) -> None:
    """A new store has the sidecar's id, the boot, and nothing else."""
    snapshot = reopen().load()
    assert plain(snapshot.meta) == plain(Meta(SIDECAR_ID, boot_id=BOOT_ID))
    assert [*snapshot.pools, *snapshot.holds, *snapshot.outcomes, *snapshot.counters] == []
    assert [*snapshot.windows, *snapshot.rules, *snapshot.calendars, *snapshot.rate_cards, *snapshot.estimates] == []


def test_a_store_is_loaded_once(reopen: Reopen) -> None:
    """A second load would hand out rows that the engine has changed since."""
    store = reopen()
    store.load()
    with pytest.raises(StoreError):
        store.load()


def test_rows_come_back_as_they_were(reopen: Reopen) -> None:
    """Every field of every row survives; derived ones are derived again."""
    store = reopen()
    pool = make_pool(consumed_total=60, posted_total=50, pool_posted=-7, reclaimed_total=3, returned_total=2)
    pool.enforcement, pool.overdraft_limit, pool.partition_mode, pool.partition_after_ms = 2, 9, 3, 5000
    meta = Meta(SIDECAR_ID, 3, 2, b"i" * 16, b"p" * 16, 4, 9, BOOT_ID, NOW_NS + 5)
    holds = [make_hold(5, pool), make_hold(7, pool, dimensions=(), subject="", settled_amount=10)]
    outcomes = [make_outcome(6, pool), make_outcome(8, pool, kind=3, answer=b"", denied=True)]
    counter = Counter(pool.account_id, pool.pool_id, "tokens", -1)
    store.commit(Writes(meta=meta, pools=[pool], holds=holds, outcomes=outcomes, counters=[counter]))
    store.close()
    snapshot = reopen().load()
    pool.held, pool.hold_count = 200, 2
    assert plain(snapshot.meta) == plain(meta)
    assert [plain(row) for row in snapshot.pools] == [plain(pool)]
    assert [plain(row) for row in snapshot.holds] == [plain(hold) for hold in holds]
    assert all(hold.pool is snapshot.pools[0] for hold in snapshot.holds)
    assert [plain(row) for row in snapshot.outcomes] == [plain(outcome) for outcome in outcomes]
    assert [plain(row) for row in snapshot.counters] == [plain(counter)]


def test_limits_come_back_as_they_were(reopen: Reopen) -> None:
    """Windows, rules, calendars, rate cards and estimates survive; what windows hold is summed up again."""
    store = reopen()
    pool = make_pool()
    pool.shadow = True
    budget = make_window(
        pool, reclaimed_total=1, returned_total=2, consumed_total=9, posted_total=4, pool_posted=-5, granted_total=77
    )
    slots = make_window(pool, "slots\x1fc", leased=False)
    run = make_hold(5, pool, budgets=(budget,), slots=(slots,), quantities=(("input", 3), ("output", 0)))
    run.max_output_tokens, run.opened_at_unix_ms, run.settled_output_tokens = 4096, 1_700_000_000_000, 12
    step = make_hold(7, pool, budgets=(budget,), amount=40, parent=run, inner=True)
    free = make_hold(8, pool, settled_output_tokens=3)
    run.children = {step: None}
    rules = [make_rules(subject=""), make_rules(), make_rules("account-2")]
    calendar = Calendar("month/UTC", (-1, 0, 2**62))
    card = RateCardContent("card", 3, bytes(20_000))
    store.commit(
        Writes(
            pools=[pool],
            windows=[budget, slots],
            holds=[run, step, free],
            rules=rules,
            calendars=[calendar],
            rate_cards=[card],
            estimates=[(b"\0key", b"value")],
        )
    )
    store.close()
    snapshot = reopen().load()
    pool.held, pool.hold_count = 240, 3
    budget.held, budget.hold_count, slots.held, slots.hold_count = 140, 2, 1, 1
    assert [plain(row) for row in snapshot.pools] == [plain(pool)]
    assert {row.pool_id: plain(row) for row in snapshot.windows} == {row.pool_id: plain(row) for row in (budget, slots)}
    assert [plain(row) for row in snapshot.holds] == [plain(hold) for hold in (run, step, free)]
    assert all(window in snapshot.windows for hold in snapshot.holds for window in (*hold.budgets, *hold.slots))
    assert snapshot.holds[1].parent is snapshot.holds[0]
    assert snapshot.holds[0].budgets is snapshot.holds[1].budgets
    assert snapshot.rules == rules
    assert (snapshot.calendars, snapshot.rate_cards) == ([calendar], [card])
    assert snapshot.estimates == [(b"\0key", b"value")]


def test_limits_change_and_leave(reopen: Reopen) -> None:
    """The last value wins; what leaves is gone even if the batch changed it, and need not have been there."""
    store = reopen()
    pool = make_pool()
    kept, closed, never = (make_window(pool, f"{name}\x1f0") for name in ("kept", "closed", "never"))
    store.commit(
        Writes(
            windows=[kept, closed],
            rules=[make_rules(), make_rules(subject="x")],
            calendars=[Calendar("c", (1, 2))],
            rate_cards=[RateCardContent("r", 1, b"old")],
            estimates=[(b"a", b"1"), (b"b", b"1")],
        )
    )
    kept.consumed_total = 6
    store.commit(
        Writes(
            windows=[kept, closed, never],
            closed_windows=[closed, never],
            rules=[make_rules(version=9), make_rules(subject="x"), make_rules(subject="y")],
            rules_dropped=[("account-1", "x"), ("account-1", "y"), ("account-1", "z")],
            calendars=[Calendar("c", (2, 3))],
            rate_cards=[RateCardContent("r", 2, b"new")],
            estimates=[(b"a", b"2"), (b"b", b""), (b"c", b"")],
        )
    )
    store.close()
    snapshot = reopen().load()
    assert [(window.pool_id, window.consumed_total) for window in snapshot.windows] == [("kept\x1f0", 6)]
    assert snapshot.rules == [make_rules(version=9)]
    assert snapshot.calendars == [Calendar("c", (2, 3))]
    assert snapshot.rate_cards == [RateCardContent("r", 2, b"new")]
    assert snapshot.estimates == [(b"a", b"2")]


def test_the_longest_names_fit(reopen: Reopen) -> None:
    """LMDB's keys are short: paths that differ only past their end are told apart, windows and counters just fit."""
    store = reopen()
    pool = make_pool()
    pool.account_id, pool.pool_id = "é" * 64, "p" * 128
    window = make_window(pool, "b" * 128 + "\x1f1700000000000")
    hold = make_hold(1, pool, budgets=(window,))
    rules = [make_rules(pool.account_id, "s" * 500 + end) for end in ("", "a", "b")]
    card = RateCardContent("r" * 128, 1, b"x")
    calendar = Calendar("c" * 256, (1, 2))
    store.commit(
        Writes(
            pools=[pool],
            windows=[window],
            holds=[hold],
            rules=rules,
            calendars=[calendar],
            rate_cards=[card],
            estimates=[(b"k" * 511, b"v")],
            debits=[replace(make_debit(1, pool), windows=(window.pool_id,))],
        )
    )
    store.commit(Writes(rules_dropped=[(pool.account_id, rules[1].subject)]))
    store.close()
    snapshot = reopen().load()
    assert snapshot.holds[0].budgets == (snapshot.windows[0],)
    assert {node.subject for node in snapshot.rules} == {rules[0].subject, rules[2].subject}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda hold, pool: setattr(hold, "budgets", (make_window(pool, "absent\x1f0"),)),
        lambda hold, pool: setattr(hold, "slots", (make_window(pool, "absent\x1fc"),)),
        lambda hold, pool: setattr(hold, "parent", make_hold(3, pool)),
        lambda hold, pool: setattr(hold, "parent", make_hold(9, pool)),
        lambda hold, pool: setattr(hold, "parent", hold),
        lambda hold, pool: setattr(hold, "parent", make_hold(1, pool)),
    ],
    ids=["budget", "slot", "parent closed", "parent to come", "its own parent", "parent of another pool"],
)
def test_a_hold_that_names_what_is_not_there_makes_a_store_unusable(wrong: Callable[[Hold, Pool], None]) -> None:
    """A hold that counted against nothing would let others spend it again."""
    disk = MemoryDisk()
    store = open_memory(disk)
    pool, other = make_pool(), make_pool(2)
    hold = make_hold(4, pool)
    wrong(hold, pool)
    store.commit(Writes(pools=[pool, other], holds=[make_hold(1, other), make_hold(2, pool), hold]))
    store.close()
    with pytest.raises(StoreUnusable, match="hold 4"):
        open_memory(disk)


def test_a_workload_ends_as_the_reference_does(reopen: Reopen) -> None:
    """Hundreds of batches, reopened now and then, leave exactly the reference's state."""
    workload, reference = Workload(), Reference()
    store = reopen()
    for number in range(1, 121):
        store.commit(workload.next_batch())
        if number % 40 == 0:
            store.close()
            assert load_and_close(reopen()) == reference.state(number)
            store = reopen()


def test_a_hold_changed_and_closed_in_one_batch_is_gone(reopen: Reopen) -> None:
    """What closes is gone, whatever else the batch says of it; what never was stored may close."""
    store = reopen()
    pool = make_pool()
    hold = make_hold(1, pool)
    store.commit(Writes(pools=[pool], holds=[hold]))
    store.commit(Writes(holds=[hold, make_hold(2, pool)], closed_holds=[1, 3]))
    store.close()
    assert [row.sequence for row in reopen().load().holds] == [2]


def test_holds_may_come_in_any_order(reopen: Reopen) -> None:
    """Changed holds and new ones, out of order and twice: the last value wins."""
    store = reopen()
    pool = make_pool()
    store.commit(Writes(pools=[pool], holds=[make_hold(9, pool), make_hold(4, pool)]))
    changed = [make_hold(12, pool), make_hold(4, pool, amount=1), make_hold(11, pool), make_hold(12, pool, amount=2)]
    store.commit(Writes(holds=changed))
    store.commit(Writes(closed_holds=[11, 12]))
    store.commit(Writes(holds=[make_hold(10, pool)]))
    store.close()
    assert [(row.sequence, row.amount) for row in reopen().load().holds] == [(4, 1), (9, 100), (10, 100)]


def test_last_sequence_follows_the_debits(reopen: Reopen) -> None:
    """A batch with debits need not write the meta record."""
    store = reopen()
    pool = make_pool()
    store.commit(Writes(pools=[pool], debits=[make_debit(1, pool), make_debit(2, pool)]))
    store.close()
    assert reopen().load().meta.last_sequence == 2


def test_debits_are_read_as_messages(reopen: Reopen) -> None:
    """The bytes are a `holdfast.v1.Debit` with every field."""
    store = reopen()
    pool = make_pool()
    debit = make_debit(1, pool)
    debit.windows, debit.quantities = ("team\x1f0", "région\x1f9"), (("input", 7), ("output", 0))
    store.commit(Writes(pools=[pool], debits=[debit]))
    ((sequence, payload),) = store.read_debits(0, 10, 10_000)
    message = sync_pb2.Debit.FromString(payload)
    assert list(message.windows) == ["team\x1f0", "région\x1f9"]
    assert dict(message.quantities) == {"input": 7, "output": 0}
    assert sequence == message.sequence == 1
    assert (message.epoch, message.account_id, message.pool_id, message.amount) == (1, "account-1", "pool-1", 60)
    assert (message.operation_id, message.hold_id, message.subject) == ("settle-1", "operation-1", "research/ann")
    assert (message.late, message.over_hold_amount, message.estimated, message.mode) == (True, 7, True, 1)
    assert message.settled_at_unix_ms == 1_700_000_000_001
    assert [(item.key, item.value) for item in message.dimensions] == [("feature", "chat"), ("model", "gpt-5")]


def test_debits_are_read_in_windows(reopen: Reopen) -> None:
    """From a sequence on, up to a count or a size, but at least one; trimmed ones are skipped."""
    store = reopen()
    pool = make_pool()
    store.commit(Writes(pools=[pool], debits=[make_debit(sequence, pool) for sequence in range(1, 11)]))
    size = len(store.read_debits(0, 1, 1)[0][1])

    def sequences(after: int, count: int, size_bytes: int) -> list[int]:
        return [sequence for sequence, _ in store.read_debits(after, count, size_bytes)]

    assert sequences(0, 100, 1 << 20) == list(range(1, 11))
    assert sequences(4, 3, 1 << 20) == [5, 6, 7]
    assert sequences(4, 100, 3 * size + 1) == [5, 6, 7]
    assert sequences(4, 100, 0) == [5]
    assert sequences(10, 100, 1 << 20) == sequences(99, 100, 1 << 20) == sequences(0, 0, 1 << 20) == []
    store.commit(Writes(debits_trimmed_to=6))
    assert sequences(0, 2, 1 << 20) == [7, 8]
    store.commit(Writes(debits_trimmed_to=10))
    assert sequences(0, 2, 1 << 20) == []
    store.commit(Writes(debits=[make_debit(11, pool)]))
    assert sequences(0, 2, 1 << 20) == [11]


def test_debits_are_read_beside_commits(reopen: Reopen) -> None:
    """Another thread sees whole batches, in order and without a gap, while the loop goes on."""
    store = reopen()
    pool = make_pool()
    store.commit(Writes(pools=[pool]))
    seen: list[int] = []

    def read_to_the_end() -> None:
        while len(seen) < 300:
            window = [sequence for sequence, _ in store.read_debits(len(seen), 7, 1 << 20)]
            assert window == list(range(len(seen) + 1, len(seen) + len(window) + 1))
            seen.extend(window)

    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(read_to_the_end)
        for first in range(1, 301, 3):
            store.commit(Writes(debits=[make_debit(sequence, pool) for sequence in range(first, first + 3)]))
        reading.result(timeout=60)
    assert seen == list(range(1, 301))


def test_a_failed_commit_poisons(reopen: Reopen) -> None:
    """A batch that cannot be written leaves nothing behind, and no later one is taken."""
    store = reopen()
    pool = make_pool()
    store.commit(Writes(pools=[pool], outcomes=[make_outcome(5, pool)]))
    with pytest.raises(StoreFailed):
        store.commit(Writes(pools=[make_pool(2)], outcomes=[make_outcome(5, pool)]))
    with pytest.raises(StoreFailed):
        store.commit(Writes(pools=[make_pool(3)]))
    store.close()
    snapshot = reopen().load()
    assert [row.pool_id for row in snapshot.pools] == ["pool-1"]
    assert len(snapshot.outcomes) == 1


@pytest.mark.parametrize("amount", [1 << 63, -(1 << 63) - 1])
def test_an_amount_beyond_int64_is_not_stored(reopen: Reopen, amount: int) -> None:
    """A number that the format cannot carry fails the commit; it is never cut."""
    store = reopen()
    with pytest.raises(StoreFailed):
        store.commit(Writes(pools=[make_pool(consumed_total=amount)]))
    store.close()
    assert reopen().load().pools == []


def test_a_second_opener_is_refused(reopen: Reopen) -> None:
    """One owner at a time; closing, also twice, gives the place back."""
    store = reopen()
    with pytest.raises(StoreLocked):
        reopen()
    store.close()
    store.close()
    reopen()


def test_deadlines_go_on_in_the_same_boot(reopen: Reopen) -> None:
    """A restarted process goes on counting."""
    store = reopen()
    pool = make_pool()
    meta = Meta(SIDECAR_ID, boot_id=BOOT_ID, lease_valid_until_ns=NOW_NS + 9)
    store.commit(Writes(meta=meta, pools=[pool], holds=[make_hold(1, pool)], outcomes=[make_outcome(1, pool)]))
    store.close()
    snapshot = reopen(now_ns=NOW_NS + 50).load()
    assert snapshot.meta.lease_valid_until_ns == NOW_NS + 9
    assert snapshot.holds[0].deadline_ns == NOW_NS + 60
    assert snapshot.outcomes[0].decided_at_ns == NOW_NS + 1


def test_deadlines_start_anew_in_another_boot(reopen: Reopen) -> None:
    """After a reboot: holds have their time to live from the first opening on, leases wait for the ledger."""
    store = reopen()
    pool = make_pool()
    meta = Meta(SIDECAR_ID, boot_id=BOOT_ID, lease_valid_until_ns=NOW_NS + 9)
    store.commit(Writes(meta=meta, pools=[pool], holds=[make_hold(1, pool)], outcomes=[make_outcome(1, pool)]))
    store.close()
    store = reopen(boot_id="boot-2", now_ns=77)
    snapshot = store.load()
    assert (snapshot.meta.boot_id, snapshot.meta.lease_valid_until_ns) == ("boot-2", 0)
    assert snapshot.holds[0].deadline_ns == 77 + 60_000 * 1_000_000
    assert snapshot.outcomes[0].decided_at_ns == 77
    # A second start in the new boot goes on counting; what was written in it keeps its own time.
    second = Hold(2, "operation-2", snapshot.pools[0], 1, 0, 123, 60_000, "", ())
    store.commit(Writes(holds=[second], outcomes=[make_outcome(2, pool)]))
    store.close()
    snapshot = reopen(boot_id="boot-2", now_ns=500).load()
    assert [hold.deadline_ns for hold in snapshot.holds] == [77 + 60_000 * 1_000_000, 123]
    assert [outcome.decided_at_ns for outcome in snapshot.outcomes] == [77, NOW_NS + 2]


def test_statistics_count(reopen: Reopen) -> None:
    """Commits and debits kept are counted; the histogram has a bucket above the last bound."""
    store = reopen()
    before = store.statistics()
    pool = make_pool()
    store.commit(Writes(pools=[pool], debits=[make_debit(sequence, pool) for sequence in (1, 2, 3)]))
    after = store.statistics()
    assert after.commit_count == before.commit_count + 1
    assert sum(after.commit_latency_counts) == after.commit_count
    assert len(after.commit_latency_counts) == len(COMMIT_BOUNDS_US) + 1
    assert after.outbox_count == 3
    assert after.used_bytes > 0


def test_a_closed_store_reads_nothing(reopen: Reopen) -> None:
    """A late reader gets an error, never a crash."""
    store = reopen()
    store.close()
    with pytest.raises(StoreError):
        store.read_debits(0, 1, 1)
    with pytest.raises(StoreFailed):
        store.commit(Writes(pools=[make_pool()]))


# -- Events ------------------------------------------------------------------------------------------------------------


def rows(*counts: int) -> list[EventRow]:
    """Rows of so many events each, of 100 bytes."""
    made, sequence = [], 1
    for count in counts:
        made.append(EventRow(sequence, count, 7, bytes([sequence]) * 100))
        sequence += count
    return made


def known(number: int, *, is_void: bool = False) -> KnownEvent:
    return KnownEvent(bytes([number]) * 16, is_void)


def test_events_are_read_back_in_whole_rows(reopen: Reopen) -> None:
    """As many as fit, at least one; from a sequence on, over a restart."""
    store = reopen()
    store.load()
    store.commit(Writes(events=EventWrites(rows=rows(3, 4, 5))))
    store.close()
    store = reopen()
    assert store.load().last_event_sequence == 12
    assert store.read_events(0, 1000, 1 << 20) == rows(3, 4, 5)
    assert store.read_events(0, 7, 1 << 20) == rows(3, 4)
    assert store.read_events(0, 1000, 250) == rows(3, 4)
    assert store.read_events(0, 1, 1) == rows(3)
    assert store.read_events(7, 1000, 1 << 20) == rows(3, 4, 5)[2:]
    assert store.read_events(12, 1000, 1 << 20) == []


def test_events_leave_in_whole_rows(reopen: Reopen) -> None:
    """Those of a row that is not acked to its end stay together; the count goes on when none is left."""
    store = reopen()
    store.load()
    store.commit(Writes(events=EventWrites(rows=rows(3, 4))))
    store.commit(Writes(events=EventWrites(trimmed_to=5)))
    assert store.read_events(0, 1000, 1 << 20) == rows(3, 4)[1:]
    store.commit(Writes(meta=Meta(SIDECAR_ID, acked_event_sequence=7), events=EventWrites(trimmed_to=7)))
    assert store.read_events(0, 1000, 1 << 20) == []
    store.close()
    snapshot = reopen().load()
    assert snapshot.meta.acked_event_sequence == snapshot.last_event_sequence == 7


def test_events_out_of_order_fail_the_commit(reopen: Reopen) -> None:
    """They would overwrite what is not sent."""
    store = reopen()
    store.load()
    store.commit(Writes(events=EventWrites(rows=rows(3, 4))))
    with pytest.raises(StoreFailed):
        store.commit(Writes(events=EventWrites(rows=rows(3))))


def test_names_are_found_until_they_are_forgotten(reopen: Reopen) -> None:
    """The last word on a name counts, over a restart; the oldest use leaves first."""
    store = reopen()
    store.load()
    assert (store.event_name_count, store.oldest_event_name_unix_ms) == (0, 0)
    store.commit(Writes(events=EventWrites(names={b"a": known(1), b"b": known(2)}, taken_at_unix_ms=100)))
    store.commit(Writes(events=EventWrites(names={b"a": known(1, is_void=True)}, taken_at_unix_ms=200)))
    store.close()
    store = reopen()
    store.load()
    found = {b"a": known(1, is_void=True), b"b": known(2)}
    assert store.find_events([b"a", b"b", b"c"]) == found
    assert store.find_events([]) == {}
    assert (store.event_name_count, store.oldest_event_name_unix_ms) == (2, 100)
    store.commit(Writes(events=EventWrites(forget_before_unix_ms=150, forget_most=10)))
    assert store.find_events([b"a", b"b"]) == {b"a": known(1, is_void=True)}
    assert (store.event_name_count, store.oldest_event_name_unix_ms) == (1, 200)
    store.commit(Writes(events=EventWrites(forget_before_unix_ms=201, forget_most=10)))
    assert (store.event_name_count, store.oldest_event_name_unix_ms) == (0, 0)


def test_names_beyond_the_limit_leave_a_few_at_a_time(reopen: Reopen) -> None:
    """The oldest, though they are young; one commit looks at about so many as it is told."""
    store = reopen()
    store.load()
    for number in range(1, 7):
        names = {bytes([number, place]): known(number) for place in range(10)}
        store.commit(Writes(events=EventWrites(names=names, taken_at_unix_ms=number)))
    assert store.event_name_count == 60
    store.commit(Writes(events=EventWrites(name_limit=25, forget_most=15)))
    assert store.event_name_count == 40
    store.commit(Writes(events=EventWrites(name_limit=25, forget_most=1000)))
    assert store.event_name_count == 20
    assert store.oldest_event_name_unix_ms == 5


def test_meters_are_replaced_as_a_whole(reopen: Reopen) -> None:
    """A start has those of the last revision."""
    store = reopen()
    assert store.load().meters == Meters(0)
    store.commit(
        Writes(
            events=EventWrites(meters=Meters(3, (make_meter("a"), make_meter("b", rated_as="seconds", price_amount=0))))
        )
    )
    store.commit(Writes(events=EventWrites(meters=Meters(4, (make_meter("b"),)))))
    store.close()
    assert reopen().load().meters == Meters(4, (make_meter("b"),))
