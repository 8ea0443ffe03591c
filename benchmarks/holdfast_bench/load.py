"""What load to put on a server, and the start of the process that does it: `load_child`.

The generator runs in a process of its own, so that it shares no interpreter and no allocator with anything.
"""

import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from holdfast_bench.generator import Step
from holdfast_bench.results import Figures


@dataclass(frozen=True, slots=True)
class Closed:
    """Keeps a number of work items under way."""

    in_flight: int
    max_item_count: int | None = None
    """Work items after which the run ends early."""


@dataclass(frozen=True, slots=True)
class Open:
    """Starts work items at a fixed rate; latency counts from when each was due."""

    rate_per_s: float


@dataclass(frozen=True, slots=True)
class Bursts:
    """Starts `size` work items at one moment, each period; the latency reported is that of the slowest of each."""

    size: int
    period_us: int


@dataclass(frozen=True, slots=True)
class Replay:
    """Sends payloads made beforehand, each at its time: (due_us, index of the step, payload), ascending."""

    calls: Sequence[tuple[int, int, bytes]]


Pacing: TypeAlias = Closed | Open | Bursts | Replay


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be sent, and how."""

    steps: tuple[Step, ...]
    pacing: Pacing
    warmup_s: float
    seconds: float
    connection_count: int = 1
    first_number: int = 0
    """First of the numbers written into payloads."""
    operations_per_call: int = 1
    """By which the throughput is counted."""

    @property
    def fixed_rate(self) -> bool:
        """Whether the load, not the server, sets the throughput."""
        return not isinstance(self.pacing, Closed)


def run(target: str, load: Load) -> Figures:
    """Sends the load to a server from a child process. Raises RuntimeError if that process fails."""
    command = [sys.executable, "-m", "holdfast_bench.load_child"]
    child = subprocess.run(command, input=pickle.dumps((target, load)), capture_output=True, check=False)
    if child.returncode != 0:
        raise RuntimeError(f"the load on {target} failed:\n{child.stderr.decode(errors='replace')}")
    return read_figures(child.stdout)


def read_figures(text: str | bytes) -> Figures:
    """Reads what a child process wrote with `json.dump(asdict(figures))`."""
    found = json.loads(text)
    found["status_counts"] = {int(code): count for code, count in found["status_counts"].items()}
    found["buckets"] = [(value_us, count) for value_us, count in found["buckets"]]
    return Figures(**found)
