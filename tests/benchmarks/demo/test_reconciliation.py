"""The reconciliation passes what is right and finds each single thing that is wrong, by the promise that it breaks."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from holdfast.answers import Balance, Enforcement, Mode, PartitionMode, Policy
from holdfast.v1.ledger_service_pb2 import (
    ENTRY_TYPE_DEBIT,
    ENTRY_TYPE_GRANT,
    ENTRY_TYPE_OVERDRAFT,
    GRANT_CATEGORY_PAID,
    GRANT_CATEGORY_PROMOTIONAL,
    Entry,
    EntryType,
    Grant,
    PoolBalance,
)
from holdfast_bench.demo.agents import Fanout
from holdfast_bench.demo.history import Acked
from holdfast_bench.demo.reconciliation import Burn, Evidence, Race, burns, reconcile

DEBITS = "acked settles are in the ledger once each"
BALANCES = "balances are equal on both sides"
BOOKS = "the books sum to zero"
OVERDRAFT = "overdraft is zero"
ORDER = "grants burned in their order"
RACE = "no fan-out got more than there was"

Tamper = Callable[[Evidence], Evidence]


def entry(number: int, kind: EntryType, grant_id: str, amount: int, sequence: int = 0) -> Entry:
    """A line of the journal as the ledger writes it; the operation is named after its sequence."""
    book = f"grant:{grant_id}"
    books = {ENTRY_TYPE_GRANT: ("issuance", book), ENTRY_TYPE_DEBIT: (book, "spend")}
    gives, takes = books.get(kind, ("overdraft", "spend"))
    return Entry(
        entry_id=number,
        type=kind,
        from_book=gives,
        to_book=takes,
        amount=amount,
        grant_id=grant_id,
        sidecar_id="host" if sequence else "",
        epoch=1 if sequence else 0,
        sequence=sequence,
        operation_id=f"op-{sequence}" if sequence else "",
    )


def sound() -> Evidence:
    """100 promotional and 200 paid, of which 60, 70 (over both grants) and 20 were spent; a settle at zero; a race."""
    policy = Policy(Enforcement.STRICT, 0, PartitionMode.FAIL_CLOSED, 0, 0)
    return Evidence(
        history=[Acked("op-1", 60), Acked("op-2", 70), Acked("nothing", 0), Acked("op-3", 20)],
        entries=[
            entry(1, ENTRY_TYPE_GRANT, "paid", 200),
            entry(2, ENTRY_TYPE_GRANT, "gift", 100),
            entry(3, ENTRY_TYPE_DEBIT, "gift", 60, 1),
            entry(4, ENTRY_TYPE_DEBIT, "gift", 40, 2),
            entry(5, ENTRY_TYPE_DEBIT, "paid", 30, 2),
            entry(6, ENTRY_TYPE_DEBIT, "paid", 20, 3),
        ],
        grants=[
            Grant(grant_id="gift", amount=100, remaining=0, priority=1, category=GRANT_CATEGORY_PROMOTIONAL),
            Grant(grant_id="paid", amount=200, remaining=150, priority=2, category=GRANT_CATEGORY_PAID),
        ],
        ledger=PoolBalance(posted=150, free=50, leased=100, granted_total=300, spent_total=150),
        sidecar=Balance("general", "credits", 150, 0, 150, 100, 9_000, 0, 0, Mode.CONNECTED, policy),
        outbox_count=0,
        committed_peak=300,
        least_available=0,
        flagged_count=0,
        races=[Race(150, Fanout(granted=(60, 60), denied=(60, 40), least_available=30))],
    )


def broken(evidence: Evidence) -> set[str]:
    """The promises that do not hold."""
    return {check.name for check in reconcile(evidence) if not check.holds}


def test_what_is_right_passes() -> None:
    checks = reconcile(sound())
    assert [check.name for check in checks] == [DEBITS, BALANCES, BOOKS, OVERDRAFT, ORDER, RACE]
    assert [check.faults for check in checks] == [()] * 6
    assert checks[0].proof.startswith("3 settles")  # one at zero makes no debit


def test_burns_are_told_in_the_order_of_the_journal() -> None:
    evidence = sound()
    unburned = Grant(grant_id="later", amount=5, remaining=5)
    assert burns([unburned, *evidence.grants], evidence.entries) == [
        Burn("gift", 100, 100, 2),
        Burn("paid", 200, 50, 2),
        Burn("later", 5, 0, 0),
    ]


def journal(change: Callable[[list[Entry]], object]) -> Tamper:
    """Changes the journal."""

    def tamper(evidence: Evidence) -> Evidence:
        entries = list(evidence.entries)
        change(entries)
        return dataclasses.replace(evidence, entries=entries)

    return tamper


def amount(place: int, value: int) -> Tamper:
    """Changes the amount of one entry."""
    return journal(lambda entries: setattr(entries[place], "amount", value))


def ledger(**fields: int) -> Tamper:
    """Changes the ledger's figures of the pool."""

    def tamper(evidence: Evidence) -> Evidence:
        for name, value in fields.items():
            setattr(evidence.ledger, name, value)
        return evidence

    return tamper


def sidecar(**fields: int) -> Tamper:
    """Changes the sidecar's figures of the pool."""

    def tamper(evidence: Evidence) -> Evidence:
        changed = dataclasses.replace(evidence.sidecar, **fields)  # type: ignore[arg-type]  # those named are int
        return dataclasses.replace(evidence, sidecar=changed)

    return tamper


def agents(**fields: object) -> Tamper:
    """Changes what the agents say."""
    return lambda evidence: dataclasses.replace(evidence, **fields)  # type: ignore[arg-type]  # each as Evidence has it


def grant(place: int, **fields: int) -> Tamper:
    """Changes one grant."""

    def tamper(evidence: Evidence) -> Evidence:
        for name, value in fields.items():
            setattr(evidence.grants[place], name, value)
        return evidence

    return tamper


def race(before: int, granted: tuple[int, ...], denied: tuple[int, ...], left: int) -> Tamper:
    """Puts another race in the place of that one."""
    return agents(races=[Race(before, Fanout(granted, denied, left))])


def cases() -> Iterator[tuple[str, Tamper, set[str], str]]:
    """What was tampered with, the promises that it breaks, and a part of what is told."""
    yield "a debit is missing", journal(lambda x: x.pop(5)), {DEBITS, BOOKS}, "not in the ledger: op-3"
    yield (
        "a debit posted again",
        journal(lambda x: x.append(entry(7, ENTRY_TYPE_DEBIT, "paid", 20, 4))),
        {
            DEBITS,
            BOOKS,
        },
        "never acked: op-4",
    )
    again = entry(7, ENTRY_TYPE_DEBIT, "paid", 20, 3)
    again.sequence = 9
    yield "a debit doubled under its id", journal(lambda x: x.append(again)), {DEBITS, BOOKS}, "more than once: op-3"
    yield "a row doubled", journal(lambda x: x.append(x[5])), {DEBITS, BOOKS}, "another amount than acked: op-3"
    yield "a wrong amount", amount(5, 21), {DEBITS, BOOKS}, "another amount than acked: op-3"
    moved = dataclasses.replace(sound(), history=[Acked("op-1", 61), Acked("op-2", 69), Acked("op-3", 20)])
    yield "amounts swapped", agents(history=moved.history), {DEBITS}, "2 debited at another amount"
    lost = [Acked("op-1", 60), Acked("op-2", 70)]
    yield "a settle that nobody acked", agents(history=lost), {DEBITS, BALANCES}, "never acked: op-3"
    twice = [*sound().history, Acked("op-3", 20)]
    yield "an ack twice", agents(history=twice), {DEBITS, BALANCES}, "twice"
    yield "the sidecar's balance", sidecar(posted=149), {BALANCES}, "posted: sidecar 149, ledger 150"
    yield "something held", sidecar(held=5, available=145), {BALANCES}, "held at the sidecar"
    yield "an open hold", sidecar(hold_count=1), {BALANCES}, "holds open"
    yield "an outbox", agents(outbox_count=2), {BALANCES}, "not acked: found 2"
    yield "rights from nowhere", ledger(leased=101), {BALANCES}, "free + leased"
    yield "a pool's total", ledger(spent_total=151), {BALANCES, BOOKS}, "spent"
    yield "a grant's rest", grant(1, remaining=151), {BALANCES, BOOKS}, "left in the grants"
    yield "an expiry untold", ledger(expired_total=3), {BOOKS}, "book expired"
    yield "an overdraft", ledger(overdraft=7), {OVERDRAFT, BOOKS}, "overdrawn by 7"
    yield (
        "a debit without a grant",
        journal(lambda x: x.__setitem__(5, entry(6, ENTRY_TYPE_OVERDRAFT, "", 20, 3))),
        {OVERDRAFT, BOOKS},
        "without a grant: op-3",
    )
    yield "an answer below zero", agents(least_available=-1), {OVERDRAFT}, "-1 available"
    yield "agents past the wallet", agents(committed_peak=301), {OVERDRAFT}, "301 spent or held"
    yield "a late settle", agents(flagged_count=1), {OVERDRAFT}, "late or above"
    swapped = journal(lambda x: x.__setitem__(slice(2, 6), [x[4], x[2], x[3], x[5]]))
    yield "paid burned first", swapped, {ORDER}, "burned paid while gift was next"
    yield "the other order", grant(0, priority=3), {ORDER}, "while paid was next"
    yield "a race past the balance", race(100, (60, 60), (), -20), {RACE}, "was granted 120 of 100"
    yield "a balance that jumped", race(150, (60,), (200,), 80), {RACE}, "told 80, counted 90"
    yield "denied while there was enough", race(150, (60,), (90,), 90), {RACE}, "was denied 90 while 90"


@pytest.mark.parametrize(("tamper", "promises", "told"), [pytest.param(*rest, id=name) for name, *rest in cases()])
def test_what_is_wrong_is_found(tamper: Tamper, promises: set[str], told: str) -> None:
    evidence = tamper(sound())
    assert broken(evidence) == promises
    assert told in "; ".join(fault for check in reconcile(evidence) for fault in check.faults)
