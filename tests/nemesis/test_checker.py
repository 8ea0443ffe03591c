"""The checker bites: of a run that is in order it says nothing, and each thing tampered with is found by its rule."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from tests.nemesis import checker
from tests.nemesis.checker import Evidence, check
from tests.nemesis.evidence import Debit, Duplicate, Folder, LeaseRow, PoolRow, Rows
from tests.nemesis.history import Answer, Attempt, Outcome, Recorder, read_histories

Rule = Callable[[Evidence], Iterator[str]]
Key = TypeVar("Key")
Value = TypeVar("Value")

CHARGED = Debit("charge", "closed", 10, "", 1)
SETTLED = Debit("settle", "closed", 7, "hold", 1)
CUT_OFF = Debit("cut-off", "shared", 20, "", 1, allowance_amount=5)
LATE = Debit("late", "closed", 9, "gone", 1, late=True)
UNSENT = Debit("unsent", "closed", 4, "", 1)


def attempt(host: str, kind: str, debit: Debit, outcome: Outcome = Outcome.OK, mode: str = "CONNECTED") -> Attempt:
    """An attempt at what became this debit."""
    answer = Answer(True, "OK", mode, debit.amount) if outcome is Outcome.OK else Answer()
    name, pool = debit.operation_id, debit.pool
    return Attempt("app", 1, kind, name, host, pool, debit.amount, debit.hold_id, outcome=outcome, answer=answer)


def reserve(host: str, name: str, amount: int) -> Attempt:
    answer = Answer(True, "OK", "CONNECTED", amount)
    return Attempt("app", 1, "reserve", name, host, "closed", amount, outcome=Outcome.OK, answer=answer)


ATTEMPTS = [
    attempt("host-1", "charge", CHARGED, Outcome.UNKNOWN),
    attempt("host-2", "charge", CHARGED),
    reserve("host-1", "hold", 10),
    attempt("host-1", "settle", SETTLED),
    reserve("host-1", "abandoned", 30),
    attempt("host-1", "charge", CUT_OFF, mode="PARTITIONED"),
    attempt("host-2", "settle", LATE),
    attempt("host-2", "charge", UNSENT, Outcome.NONE),
]
FOLDERS = {
    "host-1": Folder(
        3,
        3,
        {1: CHARGED, 2: SETTLED, 3: CUT_OFF},
        {"abandoned": 30},
        consumed={"closed": 17, "shared": 20},
        granted={"closed": 100, "shared": 15},
        rights_out={"closed": 83, "shared": -5},
    ),
    "host-2": Folder(
        1,
        3,
        {1: CHARGED, 2: LATE, 3: UNSENT},
        consumed={"closed": 23},
        granted={"closed": 60},
        rights_out={"closed": 27},
    ),
}
ROWS = Rows(
    {
        "closed": PoolRow(1000, 26, 0, 860, 114, late=9),
        "shared": PoolRow(100, 20, 0, 80, 0, partition_limit=50, allowance_leased=25, allowance_spent=5),
    },
    [
        LeaseRow("host-1", "closed", 100, 0, 0, 17),
        LeaseRow("host-2", "closed", 60, 0, 10, 19),
        LeaseRow("host-1", "shared", 20, 0, 0, 20, allowance_out=25),
    ],
    {"host-1": 3, "host-2": 2},
    [("host-1", 1, CHARGED), ("host-1", 2, SETTLED), ("host-1", 3, CUT_OFF), ("host-2", 2, LATE)],
    {("host-1", 1): 10, ("host-1", 2): 7, ("host-1", 3): 20, ("host-2", 2): 9},
    {("host-2", 1): Duplicate("closed", 10, ("host-1", 1))},
)
HONEST = Evidence(ATTEMPTS, FOLDERS, ROWS, {"host-1": 1, "host-2": 0})


def with_attempts(*attempts: Attempt) -> Evidence:
    return replace(HONEST, attempts=list(attempts))


def with_rows(**fields: object) -> Evidence:
    return replace(HONEST, rows=replace(ROWS, **fields))  # type: ignore[arg-type]  # fields of `Rows`


def with_debits(*debits: tuple[str, int, Debit]) -> Evidence:
    return with_rows(debits=list(debits))


def with_pool(name: str, **fields: int) -> Evidence:
    return with_rows(pools=ROWS.pools | {name: replace(ROWS.pools[name], **fields)})


def with_lease(number: int, **fields: int) -> Evidence:
    leases = list(ROWS.leases)
    leases[number] = replace(leases[number], **fields)  # type: ignore[arg-type]  # only its numbers
    return with_rows(leases=leases)


def with_folder(name: str, **fields: object) -> Evidence:
    changed = replace(FOLDERS[name], **fields)  # type: ignore[arg-type]  # fields of `Folder`
    return replace(HONEST, folders=FOLDERS | {name: changed})


def without(rows: dict[Key, Value], key: Key) -> dict[Key, Value]:
    return {k: value for k, value in rows.items() if k != key}


D1, D2, D3, D4 = ROWS.debits
TWO = FOLDERS["host-2"].debits
TAMPERED: list[tuple[str, Rule, Evidence]] = [
    ("an acked debit lost", checker.acked_debits_are_posted_once, with_debits(D1, D2, D4)),
    ("posted twice", checker.acked_debits_are_posted_once, with_debits(D1, D2, D3, D4, ("host-2", 1, CHARGED))),
    (
        "posted with another amount",
        checker.acked_debits_are_posted_once,
        with_debits(D1, ("host-1", 2, replace(SETTLED, amount=8)), D3, D4),
    ),
    ("nobody asked", checker.posted_debits_were_asked_for, with_attempts(*ATTEMPTS[:3], *ATTEMPTS[4:])),
    (
        "was refused",
        checker.posted_debits_were_asked_for,
        with_attempts(*ATTEMPTS[1:], replace(ATTEMPTS[0], outcome=Outcome.FAIL)),
    ),
    (
        "was denied",
        checker.posted_debits_were_asked_for,
        with_attempts(*ATTEMPTS[1:], replace(ATTEMPTS[0], outcome=Outcome.OK, answer=Answer(False, "PARTITIONED"))),
    ),
    (
        "another amount was asked for",
        checker.posted_debits_were_asked_for,
        with_attempts(*ATTEMPTS[:5], replace(ATTEMPTS[5], amount=21), *ATTEMPTS[6:]),
    ),
    (
        "another host was asked",
        checker.posted_debits_were_asked_for,
        with_attempts(*ATTEMPTS[:6], replace(ATTEMPTS[6], host="host-1"), ATTEMPTS[7]),
    ),
    (
        "a folder made what nobody asked for",
        checker.posted_debits_were_asked_for,
        with_folder("host-2", debits=TWO | {3: replace(UNSENT, operation_id="other")}),
    ),
    ("a mark too high", checker.sequences_are_whole, with_rows(acked={"host-1": 4, "host-2": 2})),
    ("a duplicate forgotten", checker.sequences_are_whole, with_rows(duplicates={})),
    ("posted past the mark", checker.sequences_are_whole, with_debits(*ROWS.debits, ("host-2", 3, UNSENT))),
    ("a sequence used twice", checker.sequences_are_whole, with_debits(*ROWS.debits, D1)),
    ("quarantined", checker.sequences_are_whole, with_rows(quarantined={("host-1", 3): "UNKNOWN_POOL"})),
    (
        "posted another than was made",
        checker.folders_and_ledger_agree,
        with_folder("host-1", debits=FOLDERS["host-1"].debits | {2: replace(SETTLED, hold_id="other")}),
    ),
    (
        "a flag lost on the way",
        checker.folders_and_ledger_agree,
        with_debits(D1, D2, D3, ("host-2", 2, replace(LATE, late=False))),
    ),
    ("acked and not posted", checker.folders_and_ledger_agree, with_folder("host-2", acked_sequence=3)),
    ("an unsent debit lost", checker.folders_and_ledger_agree, with_folder("host-2", debits=without(TWO, 3))),
    ("an old folder", checker.folders_and_ledger_agree, with_folder("host-1", last_sequence=2)),
    (
        "a duplicate of another operation",
        checker.folders_and_ledger_agree,
        with_rows(duplicates={("host-2", 1): Duplicate("closed", 10, ("host-1", 2))}),
    ),
    (
        "a duplicate of another amount",
        checker.folders_and_ledger_agree,
        with_rows(duplicates={("host-2", 1): Duplicate("closed", 11, ("host-1", 1))}),
    ),
    (
        "a duplicate of itself",
        checker.folders_and_ledger_agree,
        with_rows(duplicates=ROWS.duplicates | {("host-1", 1): Duplicate("closed", 10, ("host-1", 1))}),
    ),
    (
        "consumed more than debited",
        checker.totals_of_folders_are_their_debits,
        with_folder("host-2", consumed={"closed": 24}),
    ),
    ("a kept debit gone", checker.totals_of_folders_are_their_debits, with_folder("host-2", debits=without(TWO, 1))),
    ("free made of nothing", checker.credits_are_conserved, with_pool("closed", free=861)),
    ("granted lost", checker.credits_are_conserved, with_pool("closed", granted=999)),
    ("leased not out", checker.credits_are_conserved, with_lease(0, returned=1)),
    ("leased not counted", checker.credits_are_conserved, with_pool("closed", leased=113, free=861)),
    ("spent not debited", checker.credits_are_conserved, with_pool("closed", spent=27, free=859)),
    ("an allowance not counted", checker.credits_are_conserved, with_pool("shared", allowance_leased=24)),
    ("less than nothing out", checker.credits_are_conserved, with_lease(0, granted=16)),
    ("a line missing", checker.credits_are_conserved, with_rows(entries=without(ROWS.entries, ("host-1", 3)))),
    ("posted total wrong", checker.leases_count_what_was_posted, with_lease(0, granted=101, posted=18)),
    ("granted by nobody", checker.no_right_exists_twice, with_folder("host-1", granted={"shared": 21})),
    ("rights that went elsewhere", checker.no_right_exists_twice, with_folder("host-2", rights_out={"closed": 32})),
    ("overdrawn", checker.overdraft_is_within_the_bound, with_pool("closed", granted=16, free=-124)),
    ("late not counted", checker.overdraft_is_within_the_bound, with_pool("closed", late=0)),
    ("allowances not counted", checker.overdraft_is_within_the_bound, with_pool("shared", allowance_spent=4)),
    ("over hold made up", checker.overdraft_is_within_the_bound, with_pool("closed", over_hold=1)),
    ("fail open made up", checker.overdraft_is_within_the_bound, with_pool("shared", fail_open=1)),
    ("no allowance there", checker.allowances_stay_within_the_threshold, with_pool("shared", partition_limit=0)),
    (
        "more allowances out than the threshold",
        checker.allowances_stay_within_the_threshold,
        with_pool("shared", allowance_leased=51),
    ),
    (
        "no room for the allowances out",
        checker.allowances_stay_within_the_threshold,
        with_pool("shared", free=-26),
    ),
    (
        "open and settled",
        checker.holds_are_left_only_where_clients_left_them,
        with_folder("host-1", holds={"hold": 10}),
    ),
    (
        "never opened",
        checker.holds_are_left_only_where_clients_left_them,
        with_folder("host-2", holds={"abandoned": 30}),
    ),
    ("held more", checker.holds_are_left_only_where_clients_left_them, with_folder("host-1", holds={"abandoned": 31})),
    (
        "counted too few",
        checker.partitioned_decisions_were_counted,
        replace(HONEST, partitioned_decisions={"host-1": 0}),
    ),
    (
        "counted too many",
        checker.partitioned_decisions_were_counted,
        replace(HONEST, partitioned_decisions={"host-1": 3}),
    ),
]


def test_a_run_in_order_has_no_findings() -> None:
    assert check(HONEST) == []


@pytest.mark.parametrize(("rule", "evidence"), [x[1:] for x in TAMPERED], ids=[x[0] for x in TAMPERED])
def test_what_is_tampered_with_is_found(rule: Rule, evidence: Evidence) -> None:
    assert list(rule(evidence))
    assert check(evidence)


def test_every_rule_is_shown_to_bite() -> None:
    assert {rule for _, rule, _ in TAMPERED} == set(checker.CHECKS)


def test_an_overdraft_that_is_flagged_is_within_the_bound() -> None:
    late = with_pool("closed", granted=17, free=-123)
    assert not [finding for finding in check(late) if "overdraft" in finding]


def test_a_history_is_read_as_it_was_written_and_a_request_without_an_answer_is_unknown(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a")
    first, second = replace(ATTEMPTS[3], number=1, ended_ns=9), replace(ATTEMPTS[7], number=2)
    recorder.invoke(first)
    recorder.invoke(second)
    recorder.end(1, 9, Outcome.OK, first.answer)
    recorder.close()
    assert read_histories([tmp_path / "a"]) == [first, second]
    assert second.may_have_happened
