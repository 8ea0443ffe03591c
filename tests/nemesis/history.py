"""What clients did, as they saw it: one JSON object a line, on disk before each request and after each answer.

Upstream: `client`, which writes. Downstream: `checker`, which reads. A request without a second line is one of a client
that died with it; its outcome is as unknown as that of one that timed out.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path


class Outcome(StrEnum):
    """What a client knows of a request."""

    NONE = "none"
    """No second line."""
    OK = "ok"
    """Answered, a denial included."""
    FAIL = "fail"
    """Refused as a fault: nothing has changed."""
    UNKNOWN = "unknown"
    """No answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; amounts in minor units."""

    allowed: bool = False
    reason: str = ""
    mode: str = ""
    amount: int = 0
    """Granted by a reserve, debited by a settle or charge, returned by a release."""
    unleased_amount: int = 0
    """The part of it that no right covers."""
    late: bool = False
    over_hold_amount: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, and what became of it. Retries have the same operation id and are attempts of their own."""

    client: str
    number: int
    """Counts the attempts of the client, from 1."""
    kind: str
    """As the field of `holdfast.v1.Operation`."""
    operation_id: str
    host: str
    """Whose sidecar was asked."""
    pool: str
    amount: int
    hold_id: str = ""
    final: bool = True
    invoked_ns: int = 0
    """CLOCK_MONOTONIC, the same on all hosts of one machine."""
    ended_ns: int = 0
    outcome: Outcome = Outcome.NONE
    answer: Answer = Answer()

    @property
    def may_have_happened(self) -> bool:
        """Whether it may have changed something, for all that the client knows."""
        if self.outcome is Outcome.OK:
            return self.answer.allowed
        return self.outcome is not Outcome.FAIL


class Recorder:
    """Writes one client's history; from any thread."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def invoke(self, attempt: Attempt) -> None:
        """Writes a request, before it is sent."""
        fields = asdict(attempt)
        del fields["outcome"], fields["answer"], fields["ended_ns"]
        self._write({"event": "invoke"} | fields)

    def end(self, number: int, ended_ns: int, outcome: Outcome, answer: Answer) -> None:
        """Writes what became of it."""
        self._write({"event": outcome.value, "number": number, "ended_ns": ended_ns, "answer": asdict(answer)})

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _write(self, fields: dict[str, object]) -> None:
        # One write to a file opened for appending: lines of several threads do not mix, and a kill tears none.
        os.write(self._file, json.dumps(fields).encode() + b"\n")


def read_histories(paths: Iterable[Path]) -> list[Attempt]:
    """Reads the histories of all clients, each in the order of its requests."""
    return [attempt for path in paths for attempt in _read(path)]


def _read(path: Path) -> Iterator[Attempt]:
    attempts: dict[int, Attempt] = {}
    # What follows the last line feed is a line that is being written, or that died with its client.
    for line in path.read_text().split("\n")[:-1]:
        fields = json.loads(line)
        event = fields.pop("event")
        if event == "invoke":
            attempts[fields["number"]] = Attempt(**fields)
            continue
        number = fields["number"]
        attempts[number] = replace(
            attempts[number],
            ended_ns=fields["ended_ns"],
            outcome=Outcome(event),
            answer=Answer(**fields["answer"]),
        )
    return iter(attempts.values())
