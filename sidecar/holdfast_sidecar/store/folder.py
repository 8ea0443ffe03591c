"""The folder that a store lives in: who owns it, what it lies on, what is set aside in it.

    owner.lock      held by the process that has the folder open, with its pid and start time in it
    data.mdb        the store; lock.mdb beside it is LMDB's own, made anew at each start
    unsynced        there while data.mdb has commits that were never flushed, with the boot that they belong to
    creating/       a store that is being made, until it is moved into place
    unusable-<n>/   files that were set aside

Upstream: `lmdb_store` and `verify`. Nothing here knows what a record is.
"""

import ctypes
import fcntl
import os
import shutil
import time
from pathlib import Path

from holdfast_sidecar.store.interface import StoreFailed, StoreForeign, StoreLocked, StoreUnusable

DATA_FILE = "data.mdb"
LMDB_LOCK_FILE = "lock.mdb"
OWNER_FILE = "owner.lock"
UNSYNCED_FILE = "unsynced"
CREATING_FOLDER = "creating"

MAX_SET_ASIDE = 8
"""Folders `unusable-<n>` kept. They may hold debits that the ledger never saw, so none is ever deleted; a machine
that damages its store this often is not helped by one more start, and the next one is refused instead."""

FOLDER_MODE = 0o700

# Magic numbers of statfs(2). LMDB needs a mapping that stays coherent with writes and locks that other processes see.
UNSUITABLE_FILE_SYSTEMS = {
    0x6969: "NFS",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB2",
    0x01021997: "9p",
    0x65735546: "FUSE",
    0x00C36400: "Ceph",
    0x0BD00BD0: "Lustre",
    0x5346414F: "AFS",
}
MEMORY_FILE_SYSTEMS = {0x01021994: "tmpfs", 0x858458F6: "ramfs"}


def file_system_magic(path: Path) -> int:
    """Returns the magic number of the file system that a path lies on. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    # `struct statfs` begins with f_type, a long, on every Linux with 64 bits, and is at most 120 bytes there.
    answer = (ctypes.c_long * 32)()
    if libc.statfs(os.fsencode(path), ctypes.byref(answer)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
    return int(answer[0]) & 0xFFFFFFFF


def check_file_system(magic: int, path: Path) -> str | None:
    """Refuses a file system that cannot carry a store.

    Returns the name of a file system in memory, on which nothing survives power loss; else None.

    Raises:
        StoreForeign: LMDB does not work on it.
    """
    unsuitable = UNSUITABLE_FILE_SYSTEMS.get(magic)
    if unsuitable is not None:
        raise StoreForeign(f"{path} lies on {unsuitable}, where LMDB is not safe: use a local disk")
    return MEMORY_FILE_SYSTEMS.get(magic)


class Folder:
    """The paths in a store's folder and what is done to them as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / DATA_FILE
        self.unsynced = path / UNSYNCED_FILE

    def create(self) -> None:
        """Makes the folder, for this user alone, so that it survives power loss."""
        if not self.path.is_dir():
            self.path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            sync_folder(self.path.parent)

    def drop_reader_table(self) -> None:
        """Removes LMDB's lock file.

        Whoever holds the owner's lock is alone, so every reader in the table is stale; and pids of another
        namespace, or a damaged table, can do no harm.
        """
        (self.path / LMDB_LOCK_FILE).unlink(missing_ok=True)

    def begin_creating(self) -> Path:
        """Returns an empty folder to make a store in."""
        creating = self.path / CREATING_FOLDER
        shutil.rmtree(creating, ignore_errors=True)
        creating.mkdir(mode=FOLDER_MODE)
        return creating

    def finish_creating(self) -> None:
        """Moves the store that was made into place, whole or not at all."""
        creating = self.path / CREATING_FOLDER
        self.unsynced.unlink(missing_ok=True)
        sync_folder(creating)
        (creating / DATA_FILE).rename(self.data)
        sync_folder(self.path)
        shutil.rmtree(creating, ignore_errors=True)

    def unsynced_boot_id(self) -> str | None:
        """Returns the boot whose commits were never flushed; None if all were."""
        try:
            return self.unsynced.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            return ""

    def mark_unsynced(self, boot_id: str) -> None:
        """Notes, durably, that commits from here on are not flushed."""
        with self.unsynced.open("w", encoding="utf-8") as file:
            file.write(boot_id)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.path)

    def mark_synced(self) -> None:
        """Notes, durably, that all commits are flushed."""
        self.unsynced.unlink(missing_ok=True)
        sync_folder(self.path)

    def set_aside(self) -> Path:
        """Moves the store's files into a folder of their own and returns it.

        Raises:
            StoreUnusable: `MAX_SET_ASIDE` are there already.
        """
        for number in range(1, MAX_SET_ASIDE + 1):
            destination = self.path / f"unusable-{number}"
            try:
                destination.mkdir(mode=FOLDER_MODE)
            except FileExistsError:
                continue
            # The mark goes last: without it, a file left in place by a crash in between would be trusted.
            for name in (DATA_FILE, UNSYNCED_FILE):
                if (self.path / name).exists():
                    (self.path / name).rename(destination / name)
            sync_folder(destination)
            sync_folder(self.path)
            return destination
        raise StoreUnusable(
            f"the store in {self.path} is damaged and {MAX_SET_ASIDE} were set aside before: "
            "find out why, then move the folders `unusable-*` away and start again"
        )


class OwnerLock:
    """Holds a folder against other processes for as long as this one lives; falls with the process."""

    def __init__(self, folder: Path) -> None:
        """Takes the lock.

        Raises:
            StoreLocked: Another process has it; the message names it.
        """
        path = folder / OWNER_FILE
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(self._descriptor, 200).decode("utf-8", "replace").strip()
            os.close(self._descriptor)
            raise StoreLocked(f"{folder} is in use by another process ({owner or 'unknown'})") from error
        try:
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"pid {os.getpid()} since {time.time():.0f}\n".encode())
        except OSError:
            # The text is for people; a full disk must not keep a sidecar from its store.
            os.ftruncate(self._descriptor, 0)

    def release(self) -> None:
        """Gives the lock back. Idempotent. The file stays: to remove it would let two processes in."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable. Raises `StoreFailed`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreFailed(f"the folder {path} cannot be flushed: {error}") from error
