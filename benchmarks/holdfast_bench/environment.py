"""Where and when a figure was measured: without it a figure is not published."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from holdfast_bench.results import Json

_PACKAGES = ("grpcio", "protobuf", "lmdb", "uvloop")


def describe(arguments: Sequence[str]) -> dict[str, Json]:
    """The environment line of a result: machine, versions, date, commit, and the command that repeats it.

    Taken before the run, so that the load average tells whether the machine had other things to do.
    """
    return {
        "command": " ".join(["holdfast bench", *arguments]),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in ("holdfast", *_PACKAGES)},
        "load_average": round(os.getloadavg()[0], 2),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    """The commit of the checkout, with "+" if tracked files differ from it; "unknown" outside of one."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        return subprocess.run(command, cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
