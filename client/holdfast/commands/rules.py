"""`holdfast rules apply|show`: brings the rules of a ledger to what a file says, and prints those of an account.

The file is declarative (`rule_files` has its form): what differs is set, what is the same is left alone, so that
applying a file twice changes nothing the second time. Exit status: 0 done, 1 the file or the ledger refuses, 2 wrong
usage, 69 no answer.
"""

import argparse
import datetime
import functools
import graphlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from google.protobuf.message import Message

from holdfast.commands.ledger import TOKEN_HELP, LedgerService, add_target
from holdfast.commands.rule_book import (
    BUDGETS,
    CONCURRENCY_LIMITS,
    PLANS,
    RATE_CARDS,
    RATE_LIMITS,
    SUBJECTS,
    Kind,
    RuleBook,
    field_at_fault,
)
from holdfast.commands.rule_files import InvalidRules, RuleFile, describe, parse, write
from holdfast.errors import HoldfastError, Unavailable
from holdfast.v1 import governance_service_pb2 as pb

EXIT_REFUSED = 1
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
_TIMEOUT_S = 30.0
_MAX_BYTES = 64 * 2**20
_SHOWN_LENGTH = 60
"""Characters of a value; a rate card's content is long."""


class _Refused(Exception):
    """The ledger refused; says which entry."""


def main(argv: Sequence[str]) -> int:
    """Runs `holdfast rules`; returns 0 done, 1 refused, 69 no answer."""
    options = _parser().parse_args(argv)
    try:
        with LedgerService(options.ledger, "GovernanceService", _TIMEOUT_S) as ledger:
            book = RuleBook(ledger)
            if options.action == "show":
                sys.stdout.writelines(_shown(book, options.account))
            else:
                _apply(book, options)
    except (InvalidRules, OSError, UnicodeDecodeError, _Refused) as error:
        sys.stderr.write(f"holdfast rules: {error}\n")
        return EXIT_REFUSED
    except HoldfastError as error:
        sys.stderr.write(f"holdfast rules: {error}\n")
        return EXIT_UNAVAILABLE if isinstance(error, Unavailable) else EXIT_REFUSED
    return 0


# Applying.


def _apply(book: RuleBook, options: argparse.Namespace) -> None:
    file: Path = options.file
    wanted = parse(_read(file), lambda name: _read(file.parent / name))
    account: str = options.account or wanted.account
    of_account = (wanted.rules, wanted.subjects, wanted.budgets, wanted.rate_limits, wanted.concurrency_limits)
    if not account and any(of_account):
        raise InvalidRules("account", "is not named, neither in the file nor by --account")
    changes = list(_changes(book, account, wanted, prune=options.prune))
    for change in changes:
        if not options.dry_run:
            change.carry_out()
        sys.stdout.writelines(line + "\n" for line in change.lines)
    count = sum(len(change.lines) for change in changes)
    sys.stdout.write(f"{count} changed\n" if not options.dry_run else f"{count} would change\n")


class _Change:
    """One step of applying: what it says, and what it does."""

    def __init__(self, lines: Sequence[str], names: Sequence[str], act: Callable[[], None]) -> None:
        self.lines = lines
        self._names = names
        self._act = act

    def carry_out(self) -> None:
        try:
            self._act()
        except Unavailable:
            raise
        except HoldfastError as error:
            where = field_at_fault(error, self._names) or ", ".join(self._names[:3]) or "account"
            message = error.message.removeprefix(f"{error.metadata.get('field')}: ")
            raise _Refused(f"{where}: {message} ({error.reason})") from error


def _changes(book: RuleBook, account: str, wanted: RuleFile, *, prune: bool) -> Iterator[_Change]:
    """The steps in an order in which nothing names what is not there, and nothing is denied in between.

    Plans and cards before the account that has them; subjects before the account may deny unknown ones; what is
    pruned before what may take its place, but subjects last, when nothing is on them any more.
    """
    for kind in (PLANS, RATE_CARDS, SUBJECTS, BUDGETS, RATE_LIMITS, CONCURRENCY_LIMITS):
        _check_once(kind, getattr(wanted, kind.section))
    yield from _set(book, PLANS, "", wanted.plans, _there(book, PLANS, ""))
    yield from _set(book, RATE_CARDS, "", wanted.rate_cards, _cards_there(book, wanted.rate_cards))
    if not account:
        return
    subjects = _there(book, SUBJECTS, account)
    parents_first = sorted(wanted.subjects, key=_path)
    yield from _set(book, SUBJECTS, account, parents_first, subjects)
    if wanted.rules is not None:
        yield from _set_account_rules(book, account, wanted.rules)
    limits: list[tuple[Kind, Sequence[Message]]] = [
        (BUDGETS, _bases_first(wanted.budgets)),
        (RATE_LIMITS, wanted.rate_limits),
        (CONCURRENCY_LIMITS, wanted.concurrency_limits),
    ]
    for kind, entries in limits:
        there = _there(book, kind, account)
        if prune:
            yield from _prune(book, kind, account, entries, there)
        yield from _set(book, kind, account, entries, there)
    if prune:
        yield from _prune(book, SUBJECTS, account, wanted.subjects, subjects)


def _set(
    book: RuleBook, kind: Kind, account: str, wanted: Sequence[Message], there: Mapping[str, Message]
) -> Iterator[_Change]:
    names = [kind.id_of(entry) for entry in wanted]
    changed = [(name, entry) for name, entry in zip(names, wanted, strict=True) if _differs(there.get(name), entry)]
    for start in range(0, len(changed), kind.batch_size):
        batch = changed[start : start + kind.batch_size]
        lines = [_line(kind, name, there.get(name), entry) for name, entry in batch]
        put = functools.partial(book.set, kind, account, [entry for _, entry in batch])
        yield _Change(lines, [f"{kind.word} {name}" for name, _ in batch], put)


def _check_once(kind: Kind, wanted: Sequence[Message]) -> None:
    name, count = max(Counter(map(kind.id_of, wanted)).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise InvalidRules(kind.section, f"names {name!r} twice")


def _set_account_rules(book: RuleBook, account: str, wanted: pb.AccountRules) -> Iterator[_Change]:
    there = book.account_rules(account)
    if _differs(there, wanted):
        line = f"~ rules of {account}: {_difference(there, wanted)}"
        yield _Change([line], [], lambda: book.set_account_rules(account, wanted))


def _prune(
    book: RuleBook, kind: Kind, account: str, wanted: Sequence[Message], there: Mapping[str, Message]
) -> Iterator[_Change]:
    """Deletes what the file does not name, what depends on others first."""
    kept = {kind.id_of(entry) for entry in wanted}
    gone = {name: entry for name, entry in there.items() if name not in kept}
    names = sorted(gone, key=lambda name: name.split("/"))  # a subject before those below it
    if kind is BUDGETS:
        names = [budget.budget_id for budget in _bases_first([cast(pb.Budget, entry) for entry in gone.values()])]
    for name in reversed(names):
        delete = functools.partial(book.delete, kind, account, name)
        yield _Change([f"- {kind.word} {name}"], [f"{kind.word} {name}"], delete)


def _bases_first(budgets: Sequence[pb.Budget]) -> list[pb.Budget]:
    """The budgets with those first that others are a share of; a circle stays as it is, for the ledger to refuse."""
    by_id = {budget.budget_id: budget for budget in budgets}
    bases = {budget.budget_id: {budget.share_of_budget_id} & by_id.keys() for budget in budgets}
    try:
        return [by_id[name] for name in graphlib.TopologicalSorter(bases).static_order()]
    except graphlib.CycleError:
        return list(budgets)


def _path(subject: pb.Subject) -> list[str]:
    return subject.subject.split("/")


# Reading and comparing.


def _there(book: RuleBook, kind: Kind, account: str) -> dict[str, Message]:
    entries = book.entries(kind, account)
    if kind is BUDGETS:
        entries = (cast(pb.BudgetUsage, usage).budget for usage in entries)
    return {kind.id_of(entry): entry for entry in entries}


def _cards_there(book: RuleBook, wanted: Sequence[pb.RateCard]) -> dict[str, Message]:
    names = {card.rate_card_id for card in wanted}
    there = {RATE_CARDS.id_of(card) for card in book.entries(RATE_CARDS, "")} if names else set()
    return {name: book.rate_card(name) for name in names & there}


def _differs(there: Message | None, wanted: Message) -> bool:
    return there is None or _comparable(there) != _comparable(wanted)


def _comparable(message: Message) -> dict[str, str]:
    """The fields as the ledger reads them: defaults filled in, what it sets itself left out."""
    fields = describe(message)
    fields.pop("version", None)
    fields.pop("revision", None)
    if isinstance(message, pb.AccountRules):
        fields.setdefault("time_zone", '"UTC"')
    if isinstance(message, pb.Budget):
        fields.setdefault("action", '"hard"')
    if isinstance(message, pb.RateCard):
        fields["content"] = _canonical(message.content)
    return fields


def _canonical(content: str) -> str:
    try:
        return json.dumps(json.loads(content), sort_keys=True)
    except ValueError:
        return content


def _line(kind: Kind, name: str, there: Message | None, wanted: Message) -> str:
    if there is None:
        return f"+ {kind.word} {name}"
    return f"~ {kind.word} {name}: {_difference(there, wanted)}"


def _difference(there: Message, wanted: Message) -> str:
    before, after = _comparable(there), _comparable(wanted)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {_short(before.get(name))} -> {_short(after.get(name))}" for name in names)


def _short(value: str | None) -> str:
    if value is None:
        return "unset"
    return value if len(value) <= _SHOWN_LENGTH else f"{value[:_SHOWN_LENGTH]}…"


# Showing.


def _shown(book: RuleBook, account: str) -> Iterator[str]:
    """What an account has, as a file that `apply` reads, with what is used of budgets in comments."""
    rules = book.account_rules(account)
    rules.ClearField("version")
    yield f"account = {json.dumps(account, ensure_ascii=False)}\n\n{write('rules', rules)}"
    for plan in book.entries(PLANS, ""):
        if PLANS.id_of(plan) == rules.plan_id:
            yield "\n" + write("plans", plan)
    for kind in (SUBJECTS, BUDGETS, RATE_LIMITS, CONCURRENCY_LIMITS):
        for entry in book.entries(kind, account):
            if isinstance(entry, pb.BudgetUsage):
                yield "\n" + write(kind.section, entry.budget) + _usage(entry)
            else:
                yield "\n" + write(kind.section, entry)


def _usage(usage: pb.BudgetUsage) -> str:
    until = f", until {_time(usage.period_end_unix_ms)}" if usage.period_end_unix_ms else ""
    return f"# used {usage.used_amount:,} of {usage.limit_amount:,}, leased {usage.leased_amount:,}{until}\n"


def _time(unix_ms: int) -> str:
    return datetime.datetime.fromtimestamp(unix_ms / 1_000, datetime.UTC).isoformat(timespec="seconds")


def _read(file: Path) -> str:
    if file.stat().st_size > _MAX_BYTES:
        raise InvalidRules(str(file), f"is larger than {_MAX_BYTES} bytes")
    return file.read_text(encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast rules",
        description="Subjects, budgets, limits, plans and rate cards of a ledger, from a file.",
        epilog=f"{TOKEN_HELP} Exit status: 0 done, 1 the file or the ledger refuses, 2 wrong usage, 69 no answer.",
    )
    actions = parser.add_subparsers(dest="action", required=True)
    applying = actions.add_parser("apply", help="sets what differs from the file, and prints it")
    applying.add_argument("file", type=Path, metavar="FILE.toml")
    applying.add_argument("--account", default="", help="default: the one that the file names")
    applying.add_argument("--prune", action="store_true", help="deletes what the account has and the file does not")
    applying.add_argument("--dry-run", action="store_true", help="only prints what would change")
    showing = actions.add_parser("show", help="prints the rules of an account, in the form that apply reads")
    showing.add_argument("--account", required=True)
    for action in (applying, showing):
        add_target(action)
    return parser
