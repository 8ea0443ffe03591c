"""Full maps and full disks: holds are refused in time, open ones can still settle, space that returns is used."""

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from holdfast_sidecar.engine.state import Writes
from holdfast_sidecar.store.interface import StoreFailed
from holdfast_sidecar.store.lmdb_store import MIN_MAP_BYTES, LmdbStore
from holdfast_sidecar.store.space import RETRY_INTERVAL_NS

from tests.sidecar.store.filler import Filler
from tests.sidecar.store.harness import make_outcome, make_pool, open_lmdb, run_child

LONG = "x" * 128
"""The longest id that there is."""


@pytest.mark.parametrize("text", ["", LONG], ids=["short ids", "long ids"])
@pytest.mark.parametrize("limited", [False, True], ids=["free", "limited"])
@pytest.mark.parametrize("batch_size", [1, 200])
def test_a_full_map_refuses_holds_and_takes_every_settle(
    tmp_path: Path, text: str, batch_size: int, limited: bool
) -> None:
    """Filled to the brim, all holds settle; once what is done is forgotten, new holds are taken again."""
    store = open_lmdb(tmp_path / "store", map_bytes=MIN_MAP_BYTES)
    store.load()
    filler = Filler(store, text, limited=limited)
    opened = filler.fill()
    assert opened > (500 if limited else 1000)
    filler.settle_all(batch_size)
    filler.forget_all()
    assert not store.holds_refused
    # Again, in a file whose pages are all in disorder now.
    assert filler.fill() > opened * 0.8
    filler.settle_all(batch_size)
    store.close()


def test_used_bytes_come_back(tmp_path: Path) -> None:
    """Free pages do not count as used, and the file does not grow while they last."""
    store = open_lmdb(tmp_path / "store", map_bytes=16 * MIN_MAP_BYTES)
    store.load()
    filler = Filler(store)
    pool = make_pool()
    sizes = []
    for round_number in range(6):
        first = round_number * 2000 + 1
        outcomes = [make_outcome(sequence, pool, answer=bytes(400)) for sequence in range(first, first + 2000)]
        before = store.statistics().used_bytes
        store.commit(Writes(outcomes=outcomes))
        assert store.statistics().used_bytes > before + 2000 * 400
        store.commit(Writes(outcomes_evicted_to=first + 1999))
        assert store.statistics().used_bytes < before + 100_000
        store.commit(Writes(pools=[pool]))
        sizes.append((tmp_path / "store" / "data.mdb").stat().st_size)
    assert sizes[-1] == sizes[2]
    assert filler.holds == []
    store.close()


def test_a_map_that_is_full_fails_the_commit_whole(tmp_path: Path) -> None:
    """Should the room ever not suffice: the batch is not there, the store is poisoned, the file is sound."""
    store = open_lmdb(tmp_path / "store", map_bytes=MIN_MAP_BYTES)
    store.load()
    pool = make_pool()
    outcomes = [make_outcome(sequence, pool, answer=bytes(1000)) for sequence in range(1, 10_000)]
    with pytest.raises(StoreFailed, match="MDB_MAP_FULL"):
        store.commit(Writes(pools=[pool], outcomes=outcomes))
    with pytest.raises(StoreFailed):
        store.commit(Writes(pools=[pool]))
    store.close()
    store = open_lmdb(tmp_path / "store", map_bytes=MIN_MAP_BYTES)
    assert store.load().pools == []
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here (it takes root)")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _wait_until_accepted(store: LmdbStore) -> None:
    for _ in range(100):
        if not store.holds_refused:
            return
        time.sleep(RETRY_INTERVAL_NS / 1e9 / 5)
    pytest.fail("holds are still refused")


def test_a_disk_filled_by_others_takes_every_settle(small_disk: Path) -> None:
    """New holds are refused before the disk is full for settles; space that returns is used without a restart."""
    store = open_lmdb(small_disk / "store", durability="host", map_bytes=64 * 1024 * 1024)
    store.load()
    filler = Filler(store)
    ballast = small_disk / "ballast"
    _fill_disk(ballast)
    opened = filler.fill()
    assert opened > 100
    ballast.unlink()
    _wait_until_accepted(store)
    assert filler.fill() > opened
    _fill_disk(ballast)
    filler.settle_all(20)
    store.close()
    store = open_lmdb(small_disk / "store", durability="host", map_bytes=64 * 1024 * 1024)
    assert store.load().holds == []
    store.close()


def _fill_disk(path: Path) -> None:
    with path.open("wb") as file:
        try:
            while True:
                file.write(bytes(65536))
                file.flush()
        except OSError:
            pass


def test_a_file_size_limit_refuses_holds(tmp_path: Path) -> None:
    """Where no more can be allocated ahead, holds are refused; in a child, since the limit cannot be raised again."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    status, out, err = run_child("limited", tmp_path / "store", 3 * 1024 * 1024)
    assert status == 0, err
    opened, refused, settled = out.split()
    assert int(opened) == int(settled) > 50
    assert refused == "True"
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == before


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes the n-th write or flush of the data file fail."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("failing_disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return library


@pytest.mark.parametrize("call", ["fdatasync", "write"])
@pytest.mark.parametrize("nth", [1, 2, 4, 9])
def test_a_failing_disk_poisons(tmp_path: Path, shim: Path, call: str, nth: int) -> None:
    """EIO at the n-th call: no batch is acked from then on, and a restart finds every acked one."""
    folder = tmp_path / "store"
    assert run_child("storm", folder, "host", 3)[0] == 0
    variables = {"LD_PRELOAD": str(shim), "FAILING_CALL": call, "FAILING_NTH": str(nth)}
    status, out, err = run_child("storm", folder, "host", 100, variables=variables)
    lines = out.splitlines()
    if lines:
        assert status == 3, err
        assert lines[-1].startswith("failed")
    else:
        # The opening itself has a commit.
        assert "StoreFailed" in err
    acked = int(lines[-2].removeprefix("open ")) if lines else 3
    store = open_lmdb(folder, durability="host")
    committed = store.load().meta.epoch
    store.close()
    assert acked <= committed <= acked + 1
    assert not os.path.exists(folder / "unusable-1")
