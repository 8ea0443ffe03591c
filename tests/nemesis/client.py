"""The application on a host: threads that reserve, settle, charge and release, and write down what they saw.

Run as a program with a `Plan` as JSON; SIGTERM ends it, after what is under way has been answered. A request without
an answer is sent again with its operation id, to the same sidecar or to another host's.
"""

import json
import random
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from holdfast import operations
from holdfast.answers import Answer as HoldfastAnswer
from holdfast.answers import Charged, Released, Reserved, Settled
from holdfast.errors import HoldfastError, Unavailable
from holdfast.sync.client import Client

from tests.nemesis.history import Answer, Attempt, Outcome, Recorder
from tests.scenarios.world import ACCOUNT

SUBJECT = "research/anna/agent-7"
DIMENSIONS = {"model": "a-language-model-5", "feature": "summaries", "region": "eu-north-1"}
"""What an ordinary debit carries."""
RETRY_PAUSE_S = 0.05
DENIED_PAUSE_S = 0.03
LAST_WORD_S = 15.0
"""After SIGTERM: time for what is under way to be answered."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one client process does."""

    client: str
    home: str
    targets: dict[str, str]
    """Address of each host's sidecar, as reached from here."""
    history: str
    pools: list[str]
    seed: int = 1
    thread_count: int = 3
    pause_ms: float = 8.0
    """Between two pieces of work of a thread."""
    elsewhere: float = 0.2
    """How likely a retry goes to another host."""
    amount_max: int = 100
    kinds: dict[str, int] = field(
        default_factory=lambda: {
            "settle": 10,
            "charge": 6,
            "capture": 2,
            "over": 1,
            "release": 1,
            "abandon": 1,
            "again": 1,
        }
    )
    """How often which piece of work is done, by weight; "again" is a charge whose answer counts as lost."""
    hold_ttl_ms: int = 8_000
    timeout_ms: int = 700

    def to_json(self) -> str:
        """As the program takes it."""
        return json.dumps(asdict(self))


class Application:
    """The threads of one client process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._recorder = Recorder(Path(plan.history))
        self._clients = {
            host: Client(target, timeout_ms=plan.timeout_ms, retries=0) for host, target in plan.targets.items()
        }
        self._lock = threading.Lock()
        self._attempt_count = 0
        self._stopping = threading.Event()
        self._give_up_s = float("inf")

    def run(self) -> None:
        """Works until SIGTERM."""
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        threads = [threading.Thread(target=self._work, args=(n,)) for n in range(self._plan.thread_count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.close()

    def close(self) -> None:
        """Closes the connections and the history."""
        for client in self._clients.values():
            client.close()
        self._recorder.close()

    def _stop(self) -> None:
        self._give_up_s = time.monotonic() + LAST_WORD_S
        self._stopping.set()

    def _work(self, number: int) -> None:
        chance = random.Random(f"{self._plan.seed}-{self._plan.client}-{number}")
        kinds, weights = list(self._plan.kinds), list(self._plan.kinds.values())
        count = 0
        while not self._stopping.wait(self._plan.pause_ms / 1000 * chance.uniform(0.5, 1.5)):
            count += 1
            name = f"{self._plan.client}-{number}-{count}"
            (kind,) = chance.choices(kinds, weights)
            if not self._piece(chance, kind, name, chance.choice(self._plan.pools)):
                self._stopping.wait(DENIED_PAUSE_S)

    def _piece(self, chance: random.Random, kind: str, name: str, pool: str) -> bool:
        """Does one piece of work; returns False if it was denied or never answered."""
        amount = chance.randint(2, self._plan.amount_max)
        first = Attempt(self._plan.client, 0, "charge", name, self._plan.home, pool, amount)
        if kind in {"charge", "again"}:
            done = self._until_answered(chance, first)
            if kind == "again" and done.answer.allowed:
                self._until_answered(chance, replace(done, host=chance.choice(list(self._clients))))
            return done.answer.allowed
        opened = self._until_answered(chance, replace(first, kind="reserve"))
        if not opened.answer.allowed:
            return False
        if kind == "abandon":
            return True
        last = replace(first, kind="settle", host=opened.host, hold_id=name, operation_id=f"{name}-s")
        if kind == "release":
            return self._until_answered(chance, replace(last, kind="release", amount=0)).outcome is Outcome.OK
        if kind == "capture":
            part = replace(last, operation_id=f"{name}-p", amount=amount // 2, final=False)
            last = replace(last, host=self._until_answered(chance, part).host, amount=amount // 3 or 1)
        elif kind == "over":
            last = replace(last, amount=amount + chance.randint(1, amount))
        else:
            last = replace(last, amount=chance.randint(1, amount))
        return self._until_answered(chance, last).outcome is Outcome.OK

    def _until_answered(self, chance: random.Random, attempt: Attempt) -> Attempt:
        """Sends it until there is an answer or the client has to end; returns the last attempt."""
        while True:
            attempt = self.send(attempt)
            if attempt.outcome is not Outcome.UNKNOWN or time.monotonic() > self._give_up_s:
                return attempt
            time.sleep(RETRY_PAUSE_S)
            if chance.random() < self._plan.elsewhere and attempt.kind != "release":
                attempt = replace(attempt, host=chance.choice(list(self._clients)))

    def send(self, attempt: Attempt) -> Attempt:
        """Sends one request, and writes it down; returns it with what became of it."""
        with self._lock:
            self._attempt_count += 1
            number = self._attempt_count
        attempt = replace(attempt, number=number, invoked_ns=time.monotonic_ns())
        self._recorder.invoke(attempt)
        answer = Answer()
        try:
            answer = _read(self._clients[attempt.host].submit(_operation(attempt, self._plan.hold_ttl_ms), None))
            outcome = Outcome.OK
        except Unavailable:
            outcome = Outcome.UNKNOWN
        except HoldfastError as fault:
            outcome, answer = Outcome.FAIL, Answer(reason=fault.reason)
        self._recorder.end(number, time.monotonic_ns(), outcome, answer)
        return replace(attempt, outcome=outcome, answer=answer)


def _operation(attempt: Attempt, ttl_ms: int) -> operations.Operation:
    name, pool, amount = attempt.operation_id, attempt.pool, attempt.amount
    if attempt.kind == "reserve":
        return operations.reserve(
            ACCOUNT, amount, operation_id=name, pool=pool, ttl_ms=ttl_ms, subject=SUBJECT, dimensions=DIMENSIONS
        )
    if attempt.kind == "charge":
        return operations.charge(ACCOUNT, amount, operation_id=name, pool=pool, subject=SUBJECT, dimensions=DIMENSIONS)
    if attempt.kind == "release":
        return operations.release(ACCOUNT, attempt.hold_id, operation_id=name)
    return operations.settle(
        ACCOUNT, attempt.hold_id, attempt.amount, operation_id=name, pool=pool, final=attempt.final
    )


def _read(answer: HoldfastAnswer) -> Answer:
    if isinstance(answer, Reserved):
        return Answer(answer.allowed, answer.reason, answer.mode, answer.granted_amount, answer.unleased_amount)
    if isinstance(answer, Charged):
        return Answer(answer.allowed, answer.reason, answer.mode, answer.debited_amount, answer.unleased_amount)
    if isinstance(answer, Settled):
        late, over = answer.late, answer.over_hold_amount
        return Answer(True, "", answer.mode, answer.debited_amount, late=late, over_hold_amount=over)
    assert isinstance(answer, Released)
    return Answer(True, "", answer.mode, answer.returned_amount)


if __name__ == "__main__":
    Application(Plan(**json.loads(sys.argv[1]))).run()
