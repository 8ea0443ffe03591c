"""Debits that an operator brings: each is posted once, whoever had it before, and nobody's rights are doubled."""

import itertools
from collections import Counter
from random import Random
from typing import Any

import pytest
from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_ledger.audit import audit
from holdfast_ledger.posting.post import Posted
from holdfast_ledger.posting.replay import Fate, Outcome, foresee, release, replay
from holdfast_ledger.store.interface import MAX_AMOUNT, REPLAY_LIFE, Lease, QuarantineLine, Store, Writer

from tests.ledger.harness import RECLAIM_AFTER_MS, Books, Clock, debit, execute, instance

POOLS = ("general", "other", "late")
"""Of the random test; the last one is made when debits of it are in quarantine."""
POSTED, REPLAYED, SENT, DUPLICATE = Outcome.POSTED, Outcome.ALREADY_REPLAYED, Outcome.ALREADY_POSTED, Outcome.DUPLICATE


@pytest.fixture
def opened(books: Books) -> Books:
    """Pool a/general with 1,000 credits, 100 of them leased to sidecar s, in its first life and epoch 1."""
    books.open_pool()
    books.grant("g", 1_000)
    books.hello()
    books.want(100)
    return books


def bring(books: Books, *debits: wire.Debit, birth_epoch: int = 1) -> list[Fate]:
    """Replays debits of sidecar s; what is foretold of each by itself is what becomes of it."""
    now_ms = books.clock.now_ms()

    def job(writer: Writer) -> list[Fate]:
        sidecar = writer.sidecar("s")
        assert sidecar
        foreseen = [fate.outcome for fate in foresee(writer, sidecar, debits)]
        fates = replay(writer, sidecar, birth_epoch, debits, now_ms, Posted(0))
        named = Counter(debit.operation_id for debit in debits)
        for one, before, after in zip(debits, foreseen, outcomes(fates), strict=True):
            assert before is after or named[one.operation_id] > 1 or after is Outcome.OVERFLOW
        return fates

    return books.write(job)


def outcomes(fates: list[Fate]) -> list[Outcome]:
    return [fate.outcome for fate in fates]


def replay_lease(books: Books) -> Lease:
    with books.store.reading() as reader:
        (lease,) = reader.leases_of_life(books.sidecar().sidecar_key, REPLAY_LIFE, None)
    return lease


def quarantine(books: Books, released: bool = False) -> list[QuarantineLine]:
    with books.store.reading() as reader:
        return reader.quarantined(released, (0, 0), 100)


def let_out(books: Books) -> list[Fate]:
    """Replays the quarantine."""
    lines, now_ms = quarantine(books), books.clock.now_ms()
    return books.write(lambda writer: release(writer, lines, now_ms, Posted(0)))


def test_what_never_came_is_posted_once_however_often_it_is_replayed(opened: Books) -> None:
    debits = debit(7, 30), debit(8, 20)
    assert outcomes(bring(opened, *debits)) == [POSTED, POSTED]
    assert outcomes(bring(opened, *debits)) == [REPLAYED, REPLAYED]
    assert (opened.pool().spent_total, opened.sidecar().acked_sequence) == (50, 0)
    assert [(line.sequence, line.replayed) for line in opened.journal()[1:]] == [(7, True), (8, True)]


def test_what_a_stream_brought_is_not_posted_again(opened: Books) -> None:
    opened.post(debit(1, 30), debit(2, 5))
    assert outcomes(bring(opened, debit(1, 30), debit(2, 5), debit(3, 1))) == [SENT, SENT, POSTED]
    assert opened.pool().spent_total == 36
    assert [line.replayed for line in opened.journal()[1:]] == [False, False, True]


def test_a_stream_that_brings_what_was_replayed_burns_nothing_and_goes_on(opened: Books) -> None:
    bring(opened, debit(1, 30), debit(2, 5))
    done = opened.post(debit(1, 30), debit(2, 5), debit(3, 1))
    assert (done.acked_sequence, done.debit_count, done.duplicate_count) == (3, 1, 2)
    assert opened.pool().spent_total == 36


def test_another_copy_with_the_same_epoch_and_sequence_has_debits_of_its_own(opened: Books) -> None:
    opened.post(debit(1, 30, operation_id="ours"))
    assert outcomes(bring(opened, debit(1, 7, operation_id="theirs"))) == [POSTED]
    assert outcomes(bring(opened, debit(1, 7, operation_id="theirs"))) == [REPLAYED]
    assert opened.pool().spent_total == 37


@pytest.mark.parametrize(("fields", "conflicting"), [({}, False), ({"amount": 31}, True), ({"pool_id": "other"}, True)])
def test_an_operation_of_another_host_is_kept_and_flagged(
    opened: Books, fields: dict[str, Any], conflicting: bool
) -> None:
    opened.open_pool("other")
    opened.hello("t", instance=instance(2))
    opened.post(debit(1, 30, operation_id="same"), sidecar_id="t")
    content: dict[str, Any] = {"amount": 30, "operation_id": "same"} | fields
    late = debit(9, **content)
    (fate,) = bring(opened, late)
    assert (fate.outcome, fate.conflicting) == (DUPLICATE, conflicting)
    assert outcomes(bring(opened, late)) == [REPLAYED]
    with opened.store.reading() as reader:
        (line,) = reader.duplicates(None, False, (0, 0, 0, 0), 10)
        assert len(reader.duplicates(None, True, (0, 0, 0, 0), 10)) == conflicting
        assert reader.duplicates(None, False, line.position, 10) == []
    assert (line.posted_sidecar_id, line.sidecar_id, line.sequence, line.replayed) == ("t", "s", 9, True)
    assert opened.pool().spent_total == 30


def test_one_operation_twice_in_a_folder_is_posted_once(opened: Books) -> None:
    fates = bring(opened, debit(4, 3, operation_id="x"), debit(5, 3, operation_id="x"), debit(6, 4, operation_id="x"))
    assert [(fate.outcome, fate.conflicting) for fate in fates] == [
        (POSTED, False),
        (DUPLICATE, False),
        (DUPLICATE, True),
    ]
    assert opened.pool().spent_total == 3


def test_the_rights_of_a_life_that_goes_on_are_not_touched(opened: Books) -> None:
    """Another copy of the folder has them; what this one spent comes from what is free."""
    before = opened.lease()
    bring(opened, debit(1, 30))
    assert opened.lease() == before
    assert (opened.pool().free, opened.pool().leased) == (870, 100)
    assert (replay_lease(opened).posted_total, replay_lease(opened).outstanding) == (30, 0)


def test_the_rights_of_a_life_that_is_over_are_used_up_first(opened: Books) -> None:
    """Nobody has them any more, and the debits were made on them."""
    opened.hello(instance=instance(2))
    bring(opened, debit(1, 70), debit(2, 50))
    assert (opened.pool().free, opened.pool().leased, opened.pool().posted) == (880, 0, 880)
    opened.clock.advance(RECLAIM_AFTER_MS)
    opened.sweep()
    assert (opened.pool().free, opened.pool().leased) == (880, 0)


def test_after_its_rights_are_reclaimed_a_life_is_replayed_all_the_same(opened: Books) -> None:
    opened.hello(instance=instance(2))
    opened.clock.advance(RECLAIM_AFTER_MS)
    opened.sweep()
    bring(opened, debit(1, 1_200))
    assert (opened.pool().free, opened.pool().overdraft) == (-200, 200)


def test_what_no_pool_can_take_changes_nothing_and_may_come_again(opened: Books) -> None:
    opened.hello(instance=instance(2))
    bring(opened, debit(1, MAX_AMOUNT - 500, operation_id="big"))
    fates = bring(opened, debit(2, 600), debit(3, 5, pool_id="none"), debit(4, 5, account_id="nobody"))
    assert outcomes(fates) == [Outcome.OVERFLOW, Outcome.UNKNOWN_POOL, Outcome.UNKNOWN_POOL]
    assert opened.pool().spent_total == MAX_AMOUNT - 500
    opened.open_pool("none")
    assert outcomes(bring(opened, debit(3, 5, pool_id="none"))) == [POSTED]


def test_rights_handed_over_for_what_cannot_be_posted_come_back(opened: Books) -> None:
    opened.hello(instance=instance(2))
    bring(opened, debit(1, MAX_AMOUNT - 500), birth_epoch=0)
    assert outcomes(bring(opened, debit(2, 600))) == [Outcome.OVERFLOW]
    assert replay_lease(opened).outstanding == 0
    assert opened.pool().leased == 0


def test_the_quarantine_is_posted_once_its_pool_is_there(opened: Books) -> None:
    opened.post(debit(1, 5, pool_id="late"), debit(2, 6, pool_id="never"), debit(3, 1))
    assert outcomes(let_out(opened)) == [Outcome.UNKNOWN_POOL, Outcome.UNKNOWN_POOL]
    opened.open_pool("late")
    assert outcomes(let_out(opened)) == [POSTED, Outcome.UNKNOWN_POOL]
    assert outcomes(let_out(opened)) == [Outcome.UNKNOWN_POOL]
    assert opened.pool("late").spent_total == 5
    assert [line.sequence for line in quarantine(opened)] == [2]
    assert [line.sequence for line in quarantine(opened, released=True)] == [1]


def test_what_its_folder_replayed_leaves_the_quarantine_without_being_posted(opened: Books) -> None:
    opened.post(debit(1, 5, pool_id="late"))
    opened.open_pool("late")
    assert outcomes(bring(opened, debit(1, 5, pool_id="late"))) == [POSTED]
    assert outcomes(let_out(opened)) == [REPLAYED]
    assert (opened.pool("late").spent_total, quarantine(opened)) == (5, [])


@pytest.mark.parametrize("seed", range(5))
def test_in_whatever_order_copies_bring_their_debits_each_operation_is_posted_once(books: Books, seed: int) -> None:
    """A stream of s, one of t, a folder copied from s, and a quarantine, with operations that callers repeat."""
    chance = Random(seed)
    for pool_id in POOLS[:2]:
        books.open_pool(pool_id)
        books.grant(f"g-{pool_id}", 500, pool_id)
    books.hello()
    books.hello("t", instance=instance(2))
    made = {"s": 0, "t": 0}
    folder: list[wire.Debit] = []
    brought: set[str] = set()
    for _ in range(70):
        operation_id, pool_id = f"op-{chance.randrange(30)}", chance.choice(POOLS)
        fields: dict[str, Any] = {"operation_id": operation_id, "pool_id": pool_id, "amount": chance.randrange(1, 20)}
        match chance.randrange(6):
            case 0 | 1:
                sidecar_id = chance.choice(["s", "t"])
                made[sidecar_id] += 1
                books.want(chance.randrange(30), sidecar_id)
                books.post(debit(made[sidecar_id], **fields), sidecar_id=sidecar_id)
            case 2:
                folder.append(debit(made["s"] + 1 + len(folder) // 3, **fields))
            case 3 | 4 if folder:
                some = chance.choices(folder, k=chance.randrange(1, 6))
                bring(books, *some, birth_epoch=chance.choice([0, 1, 2]))
                brought |= {debit.operation_id for debit in some if debit.pool_id != "late"}
            case 5 if chance.random() < 0.2:
                books.hello(instance=instance(chance.randrange(3, 99)))
    books.open_pool("late")
    let_out(books)
    if folder:
        bring(books, *folder)
    assert all(fate.outcome in (REPLAYED, SENT) for fate in bring(books, *folder)), "a replay may be repeated"
    posted: dict[str, set[tuple[str, int, int]]] = {}
    for line in itertools.chain.from_iterable(map(books.journal, POOLS)):
        if line.operation_id:
            posted.setdefault(line.operation_id, set()).add((line.sidecar_id, line.epoch, line.sequence))
    assert {len(names) for names in posted.values()} == {1}
    assert brought | {debit.operation_id for debit in folder} <= posted.keys()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM replayed_debits WHERE sequence = 7",
        "UPDATE replayed_debits SET posted = 0 WHERE sequence = 7",
        "UPDATE replayed_debits SET posted = 1 WHERE sequence = 8",
        "UPDATE replayed_debits SET amount = amount + 1 WHERE sequence = 7",
        "UPDATE quarantined_debits SET debit_key = (SELECT min(debit_key) FROM debits)",
    ],
)
def test_the_audit_finds_replays_that_do_not_agree(store: Store, clock: Clock, statement: str) -> None:
    books = Books(store, clock)
    books.open_pool()
    books.hello()
    books.post(debit(1, 5), debit(2, 6, pool_id="late"))
    bring(books, debit(7, 30), debit(8, 5, operation_id="op-1"))
    books.open_pool("late")
    let_out(books)
    books.audit()
    execute(store, statement)
    with store.reading() as reader:
        assert audit(reader).findings
