"""Clients of the sidecars: each piece of work is a generator that calls, waits, and tries again as callers do.

A retry bears the same operation id, on the same host or, after a failure, on another one.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from holdfast.v1 import enforcement_service_pb2 as pb
from holdfast.v1 import usage_service_pb2 as usage
from holdfast_sidecar.dispatcher.event_decode import EventDecoder
from holdfast_sidecar.engine.event_operations import ReportEvents, VoidEvents
from holdfast_sidecar.engine.operations import Charge, Extend, Fault, Operation, Release, Reserve, Result, Settle
from holdfast_sidecar.engine.rules import Dimensions

from tests.simulation.clock import MS, SimLoop
from tests.simulation.events import SOURCE, plain, reported, taken_back
from tests.simulation.history import History
from tests.simulation.host import Host
from tests.simulation.plan import Action
from tests.simulation.record import USED_MARK
from tests.simulation.rules import ACCOUNT, SUBJECTS

ALLOW = 1
PATIENCE_MS = 600
"""How long a client waits for an answer before it takes the call for lost."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call to a host."""

    host: Host
    operation: Operation


@dataclass(frozen=True, slots=True)
class Slept:
    """A pause."""

    ns: int


Steps: TypeAlias = Generator[Asked | Slept, Result | None, None]
Call: TypeAlias = Generator[Asked | Slept, Result | None, tuple[Host, Result | None]]


class Clients:
    """Runs pieces of work."""

    def __init__(self, loop: SimLoop, history: History, hosts: list[Host], seed: int) -> None:
        self._loop = loop
        self._history = history
        self._hosts = hosts
        self.seed = seed

    def begin(self, action: Action) -> None:
        """Begins the work that an action describes."""
        rng = Random(f"{self.seed} work {action.number}")
        self._go(WORK[action.kind](self, action, rng), None)

    def host(self, index: int) -> Host:
        """Returns a host by its number."""
        return self._hosts[index % len(self._hosts)]

    def _go(self, steps: Steps, result: Result | None) -> None:
        try:
            step = steps.send(result)
        except StopIteration:
            return
        if isinstance(step, Slept):
            self._loop.after(step.ns, self._go, steps, None)
            return
        asked = step
        open_call = [True]

        def answer(given: Result | None) -> None:
            if open_call:
                open_call.clear()
                self._tell(asked, given)
                self._go(steps, given)

        asked.host.call(asked.operation, answer)
        self._loop.after(PATIENCE_MS * MS, answer, None)

    def _tell(self, asked: Asked, result: Result | None) -> None:
        operation = asked.operation
        name = _names(operation)
        what = type(operation).__name__.lower()
        amount = next(
            (v for n in ("amount", "delta", "add_amount") if (v := getattr(operation, n, None)) is not None), ""
        )
        self._history.tell(asked.host.name, what, name, amount, "->", told(operation, result))


def _names(operation: Operation) -> str:
    if isinstance(operation, ReportEvents):
        return " ".join(event.event_id for event in operation.events)
    if isinstance(operation, VoidEvents):
        return " ".join(usage.UsageEvent.FromString(void.payload).id for void in operation.names)
    return str(getattr(operation, "operation_id", ""))


def told(operation: Operation, result: Result | None) -> str:
    """Puts a result into words."""
    if result is None:
        return "lost"
    if isinstance(result, Fault):
        return result.reason
    match operation:
        case Reserve():
            reserved = pb.ReserveResponse.FromString(result)
            return f"held {reserved.granted_amount}" if reserved.verdict == ALLOW else f"denied {reserved.reason}"
        case Extend():
            extended = pb.ExtendResponse.FromString(result)
            back = f" returned {extended.returned_amount}" if extended.returned_amount else ""
            return f"added {extended.added_amount}{back}" if extended.verdict == ALLOW else f"denied {extended.reason}"
        case Settle():
            settled = pb.SettleResponse.FromString(result)
            over = f" over {settled.over_hold_amount}" if settled.over_hold_amount else ""
            return f"debited {settled.debited_amount}{' late' if settled.late else ''}{over}"
        case Charge():
            charged = pb.ChargeResponse.FromString(result)
            return f"debited {charged.debited_amount}" if charged.verdict == ALLOW else f"denied {charged.reason}"
        case ReportEvents():
            answer = usage.ReportEventsResponse.FromString(result)
            outcomes = ", ".join(f"{one.index} {one.field or one.outcome}" for one in answer.results)
            return f"accepted {answer.accepted_count}{f', not {outcomes}' if outcomes else ''}"
        case _:
            return "done"


def _tried(clients: Clients, host: Host, operation: Operation, retries: int, rng: Random) -> Call:
    """Calls until there is an answer; returns the host that gave it and the answer, None if there is none."""
    result: Result | None = yield Asked(host, operation)
    while retries and (result is None or (isinstance(result, Fault) and result.code.name == "UNAVAILABLE")):
        retries -= 1
        yield Slept(rng.randint(1, 200) * MS)
        if rng.random() < 0.3:
            host = clients.host(rng.randrange(8))
        result = yield Asked(host, operation)
    if result is not None and rng.random() < 0.1:
        # The client forgets that it was answered, or its own caller asks again.
        again = clients.host(rng.randrange(8)) if rng.random() < 0.3 else host
        yield Slept(rng.randint(0, 300) * MS)
        yield Asked(again, operation)
    return host, result


def _dimensions(model: str) -> Dimensions:
    return (("model", model),) if model else ()


def _charge(clients: Clients, action: Action, rng: Random) -> Steps:
    host, pool, amount, retries = (int(value) for value in action.args[:4])
    subject, model = map(str, action.args[4:])
    name, dimensions = f"c{action.number}", _dimensions(model)
    charge = Charge(name, f"c{amount}".encode(), ACCOUNT, f"pool-{pool}", amount, "", 0, "", subject, dimensions)
    yield from _tried(clients, clients.host(host), charge, retries, rng)


def _report(clients: Clients, action: Action, rng: Random) -> Steps:
    """What was used already."""
    host, pool, amount, retries = (int(value) for value in action.args[:4])
    subject, model = map(str, action.args[4:])
    name, dimensions = f"{USED_MARK}{action.number}", _dimensions(model)
    charge = Charge(name, f"u{amount}".encode(), ACCOUNT, f"pool-{pool}", amount, "", 0, "", subject, dimensions)
    charge.already_used = True
    yield from _tried(clients, clients.host(host), charge, retries, rng)


def _events(clients: Clients, action: Action, rng: Random) -> Steps:
    """Some events, new ones and such as somebody has told before."""
    host, highest, retries = (int(value) for value in action.args)
    request = reported(clients.seed, rng, highest)
    operation = EventDecoder().report(request.SerializeToString(), "")
    yield from _tried(clients, clients.host(host), operation, retries, rng)


def _take_back(clients: Clients, action: Action, rng: Random) -> Steps:
    """Takes events back."""
    host, highest, retries = (int(value) for value in action.args)
    operation = EventDecoder().void(taken_back(rng, highest).SerializeToString(), "")
    yield from _tried(clients, clients.host(host), operation, retries, rng)


def _tell(clients: Clients, action: Action, _: Random) -> Steps:
    """One event, as a history that is written by hand says it: its number, and its tokens."""
    host, number, tokens = (int(value) for value in action.args)
    request = usage.ReportEventsRequest(events=[plain(number, tokens)])
    yield Asked(clients.host(host), EventDecoder().report(request.SerializeToString(), ""))


def _untell(clients: Clients, action: Action, _: Random) -> Steps:
    """Takes one event back."""
    host, number = (int(value) for value in action.args)
    name = usage.EventName(account_id=ACCOUNT, source=SOURCE, id=f"e{number}")
    request = usage.VoidEventsRequest(events=[name])
    yield Asked(clients.host(host), EventDecoder().void(request.SerializeToString(), ""))


def _session(clients: Clients, action: Action, rng: Random) -> Steps:
    """Reserve, perhaps extend and settle in parts, then settle, release, or walk away."""
    number = action.number
    host_index, pool, amount, least_percent, ttl_ms, ending, parts, extends, actual_percent, wait_ms, retries = (
        action.args[:11]
    )
    subject, model = map(str, action.args[11:])
    least = int(amount) * int(least_percent) // 100
    reserve = _reserve(f"w{number}", int(pool), int(amount), least, int(ttl_ms), subject, model)
    host, result = yield from _tried(clients, clients.host(int(host_index)), reserve, int(retries), rng)
    held = _held(result)
    if not held:
        return
    yield Slept(int(wait_ms) * MS)
    for turn in range(int(extends)):
        more = Extend(f"w{number}-e{turn}", b"e", ACCOUNT, f"w{number}", rng.randint(0, 20), 0, int(ttl_ms))
        host, result = yield from _tried(clients, host, more, int(retries), rng)
        yield Slept(int(wait_ms) * MS)
    for turn in range(int(parts)):
        part = max(1, held // (int(parts) + 1))
        yield from _tried(clients, host, _settle(f"w{number}", f"p{turn}", part, pool, final=False), int(retries), rng)
        held -= part
        yield Slept(int(wait_ms) * MS)
    if ending == "late":
        yield Slept(int(ttl_ms) * 2 * MS)
    if ending == "release":
        release = Release(f"w{number}-x", b"x", ACCOUNT, f"w{number}")
        yield from _tried(clients, host, release, int(retries), rng)
    elif ending != "abandon":
        actual = held + rng.randint(1, 60) if ending == "over" else held * int(actual_percent) // 100
        yield from _tried(
            clients, host, _settle(f"w{number}", "f", max(0, actual), pool, final=True), int(retries), rng
        )


def _reserve(name: str, pool: int, amount: int, least: int, ttl_ms: int, subject: str, model: str) -> Reserve:
    """A hold that is inside another one has its name before its own, and a dot."""
    content, dimensions = f"r{amount}".encode(), _dimensions(model)
    reserve = Reserve(name, content, ACCOUNT, f"pool-{pool}", amount, least, ttl_ms, "", subject, dimensions)
    reserve.parent_hold_id = name.rpartition(".")[0]
    return reserve


def _family(clients: Clients, action: Action, rng: Random) -> Steps:
    """A hold with others inside it, which are extended, given back, settled and left in any order."""
    host, pool, amount, ttl_ms, step_count = (int(value) for value in action.args[:5])
    subject, model = map(str, action.args[5:])
    at = clients.host(host)
    root = f"w{action.number}"
    at, result = yield from _tried(clients, at, _reserve(root, pool, amount, 1, ttl_ms, subject, model), 1, rng)
    open_holds = [root] if _held(result) else []
    for step in range(step_count):
        if not open_holds:
            return
        yield Slept(rng.randint(0, max(1, ttl_ms // 4)) * MS)
        name = rng.choice(open_holds)
        what = rng.choice(("open", "open", "open", "extend", "return", "part", "settle", "release"))
        if what == "open":
            inner = _reserve(f"{name}.{step}", pool, rng.randint(1, amount), 1, ttl_ms, _below(rng, subject), model)
            at, result = yield from _tried(clients, at, inner, 1, rng)
            open_holds += [inner.operation_id] if _held(result) else []
        else:
            if what in ("settle", "release"):
                open_holds.remove(name)
            at, _ = yield from _tried(clients, at, _next(rng, what, name, step, pool, amount, ttl_ms), 1, rng)
    while open_holds and rng.random() < 0.9:
        name = open_holds.pop(rng.randrange(len(open_holds)))
        at, _ = yield from _tried(clients, at, _next(rng, "settle", name, step_count, pool, amount, ttl_ms), 2, rng)


def _below(rng: Random, subject: str) -> str:
    """Draws a subject at or below another one."""
    return rng.choice([one for one in SUBJECTS if one == subject or not subject or one.startswith(f"{subject}/")])


def _next(rng: Random, what: str, name: str, step: int, pool: int, amount: int, ttl_ms: int) -> Operation:
    """Returns what is done next to an open hold."""
    if what == "extend":
        return Extend(f"{name}-e{step}", b"e", ACCOUNT, name, rng.randint(1, amount), 1, rng.choice((0, ttl_ms)))
    if what == "return":
        return Extend(f"{name}-e{step}", b"b", ACCOUNT, name, 0, 0, 0, return_amount=rng.randint(1, amount))
    if what == "release":
        return Release(f"{name}-x", b"x", ACCOUNT, name)
    spent = rng.choice((0, 1, amount // 3, amount // 2, amount))
    return _settle(name, f"s{step}", spent, pool, final=what == "settle")


def _held(result: Result | None) -> int:
    if not isinstance(result, bytes):
        return 0
    return int(pb.ReserveResponse.FromString(result).granted_amount)


def _settle(name: str, part: str, amount: int, pool: int | str, final: bool) -> Settle:
    content = f"s{amount}{final}".encode()
    return Settle(f"{name}-{part}", content, ACCOUNT, name, amount, final, f"pool-{pool}", (), False)


WORK: dict[str, Callable[[Clients, Action, Random], Steps]] = {
    "charge": _charge,
    "report": _report,
    "events": _events,
    "take_back": _take_back,
    "tell": _tell,
    "untell": _untell,
    "session": _session,
    "family": _family,
}
