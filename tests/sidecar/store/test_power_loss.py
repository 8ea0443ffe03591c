"""Power loss at any instant, rebuilt from the system calls of a real run.

The run's writes to the data file are recorded. What is on the disk after a power cut is then what was flushed, and of
what was not flushed any part: prefixes and sampled subsets of it are laid down as files and opened as a sidecar would.
"""

import random
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from holdfast_sidecar.store.lmdb_store import Durability

from tests.sidecar.store.harness import BOOT_ID, run_child, start_child

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (a Debian package)")

BASE_BATCHES = 5
LAST_BATCH = 17
STATES = 160
TRACED = "openat,write,pwrite64,pwritev,writev,lseek,fdatasync,fsync,msync,sync_file_range,ftruncate,fallocate,mmap"

_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
_FILE = re.compile(r"^(\d+)<[^>]*/data\.mdb>")
_PATH = re.compile(r"<((?:\\x[0-9a-f]{2})+)>")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened: a write to the data file, a flush of it, or an ack to the caller."""

    kind: Literal["write", "flush", "ack"]
    offset: int = 0
    content: bytes = b""
    durable: bool = False
    """The write came back only once it was on the disk (O_DSYNC)."""
    batch_number: int = 0


@dataclass(slots=True)
class Trace:
    """Reads the output of strace into steps."""

    steps: list[Step] = field(default_factory=list)
    _durable: set[str] = field(default_factory=set)
    _positions: dict[str, int] = field(default_factory=dict)

    def read(self, path: Path) -> list[Step]:
        """All steps of a run."""
        for line in path.read_text().splitlines():
            match = _CALL.match(_PATH.sub(lambda path: f"<{_unhex(path[1]).decode()}>", line))
            if match is not None and not match[3].startswith("-"):
                self._take(match[1], match[2], int(match[3]))
        return self.steps

    def _take(self, call: str, arguments: str, result: int) -> None:
        if call == "openat":
            # Shared mappings for writing would escape the trace; the store must have none.
            self._durable.discard(str(result))
            if "O_DSYNC" in arguments or "O_SYNC" in arguments:
                self._durable.add(str(result))
            return
        if call == "mmap":
            assert not ("data.mdb" in arguments and "PROT_WRITE" in arguments)
            return
        if call == "write" and arguments.startswith("1<"):
            line = _payload(arguments).decode().strip()
            if line.isdigit():
                self.steps.append(Step("ack", batch_number=int(line)))
            return
        file = _FILE.match(arguments)
        if file is None:
            return
        descriptor = file[1]
        if call in ("fdatasync", "fsync"):
            self.steps.append(Step("flush"))
        elif call == "lseek":
            self._positions[descriptor] = result
        elif call in ("pwrite64", "pwritev"):
            self._write(descriptor, int(arguments.rsplit(",", 1)[1], 0), _payload(arguments), result)
        elif call in ("write", "writev"):
            offset = self._positions[descriptor]
            self._positions[descriptor] = offset + result
            self._write(descriptor, offset, _payload(arguments), result)
        else:
            assert call == "fallocate", f"{call} is not understood"

    def _write(self, descriptor: str, offset: int, content: bytes, result: int) -> None:
        assert len(content) == result, "strace has cut the content short"
        self.steps.append(Step("write", offset, content, durable=descriptor in self._durable))


def _payload(arguments: str) -> bytes:
    return b"".join(_unhex(match) for match in _BYTES.findall(arguments))


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def record(folder: Path, durability: Durability) -> tuple[bytes, list[Step]]:
    """Runs the workload; returns the data file before the traced part, and the traced part."""
    status, _, err = run_child("storm", folder, durability, BASE_BATCHES)
    assert status == 0, err
    # Most of the file is only allocated; zeros at the end of the last page in use belong to it.
    base = (folder / "data.mdb").read_bytes().rstrip(b"\0") + bytes(4096)
    log = str(folder.parent / "trace")
    tracer = ["strace", "-f", "-y", "-xx", "-s", "10000000", "-e", f"trace={TRACED}", "-e", "signal=none", "-o", log]
    child = start_child("storm", folder, durability, LAST_BATCH, prefix=tracer)
    _, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    steps = Trace().read(Path(log))
    assert [step.batch_number for step in steps if step.kind == "ack"][-1] == LAST_BATCH
    assert sum(step.kind == "write" for step in steps) > LAST_BATCH - BASE_BATCHES
    return base, steps


def crash_state(base: bytes, steps: list[Step], end: int, chance: random.Random) -> tuple[bytes, int]:
    """What the disk may hold if the power goes after `end` steps, and the last batch acked by then."""
    disk = bytearray(base)
    unflushed: list[Step] = []
    acked = BASE_BATCHES
    for step in steps[:end]:
        if step.kind == "ack":
            acked = step.batch_number
        elif step.kind == "flush":
            for write in unflushed:
                _lay_down(disk, write)
            unflushed.clear()
        elif step.durable:
            _lay_down(disk, step)
        else:
            unflushed.append(step)
    share = chance.choice((0.0, 0.2, 0.5, 0.8, 1.0))
    for write in unflushed:
        _lay_down_pages(disk, write, share, chance)
    return bytes(disk), acked


def _lay_down(disk: bytearray, write: Step) -> None:
    end = write.offset + len(write.content)
    disk.extend(bytes(max(0, end - len(disk))))
    disk[write.offset : end] = write.content


def _lay_down_pages(disk: bytearray, write: Step, share: float, chance: random.Random) -> None:
    """One call may write many pages, and each of them may reach the disk or not."""
    for start in range(0, len(write.content), 4096):
        if chance.random() < share:
            _lay_down(disk, Step("write", write.offset + start, write.content[start : start + 4096]))


def lay_down_states(
    place: Path, base: bytes, steps: list[Step], chance: random.Random, mark: str | None = None
) -> tuple[list[Path], list[int]]:
    """Makes a folder for each of some crash states; returns them and the last batch acked in each."""
    folders, acked = [], []
    for number in range(STATES):
        # Every point once, as far as there are enough states.
        end = number % (len(steps) + 1) if number < len(steps) else chance.randint(0, len(steps))
        content, last = crash_state(base, steps, end, chance)
        folder = place / f"state-{number}"
        folder.mkdir(parents=True)
        (folder / "data.mdb").write_bytes(content)
        if mark is not None:
            (folder / "unsynced").write_text(mark)
        folders.append(folder)
        acked.append(last)
    return folders, acked


def test_host_survives_power_loss(tmp_path: Path) -> None:
    """Every acked batch is there, whole batches only, whatever part of the unflushed writes got through."""
    base, steps = record(tmp_path / "store", "host")
    assert any(step.durable for step in steps)
    assert sum(step.kind == "flush" for step in steps) >= LAST_BATCH - BASE_BATCHES
    seed = random.randrange(1 << 32)
    folders, acked = lay_down_states(tmp_path / "states", base, steps, random.Random(seed))
    status, out, err = run_child("inspect", BOOT_ID, *folders)
    assert status == 0, f"seed {seed}: {err}"
    for verdict, last in zip(out.splitlines(), acked, strict=True):
        assert verdict in (f"same {last}", f"same {last + 1}"), f"seed {seed}"


def test_process_is_set_aside_after_power_loss(tmp_path: Path) -> None:
    """What was not flushed before a reboot is never served, however whole it looks."""
    base, steps = record(tmp_path / "store", "process")
    assert not any(step.durable or step.kind == "flush" for step in steps[:-2])
    seed = random.randrange(1 << 32)
    folders, _ = lay_down_states(tmp_path / "states", base, steps, random.Random(seed), mark=BOOT_ID)
    status, out, err = run_child("inspect", "boot-2", *folders)
    assert status == 0, f"seed {seed}: {err}"
    assert set(out.splitlines()) == {"aside"}, f"seed {seed}"


def test_unflushed_leftovers_never_crash(tmp_path: Path) -> None:
    """Even taken for flushed, the leftovers of a `process` run bring no interpreter down."""
    base, steps = record(tmp_path / "store", "process")
    seed = random.randrange(1 << 32)
    folders, _ = lay_down_states(tmp_path / "states", base, steps, random.Random(seed))
    status, out, err = run_child("inspect", BOOT_ID, *folders)
    assert status == 0, f"seed {seed}: {err}"
    assert len(out.splitlines()) == STATES
