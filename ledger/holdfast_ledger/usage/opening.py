"""Opens the embedded store's folder, and begins anew where it is damaged: all that is in it can be fed again.

The engine has a folder of its own within the store's. What cannot be opened is set aside there, one at most, for
whoever wants to know why; a process that died three times while it opened the folder counts as that.
"""

import fcntl
import hashlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from holdfast_ledger.usage import schema, turns
from holdfast_ledger.usage.database import UsageDamaged, UsageStoreDown, UsageStoreError
from holdfast_ledger.usage.embedded import EmbeddedDatabase

ENGINE, DAMAGED, ATTEMPTS, FORMAT, LOCK = "engine", "damaged", "attempts", "format", "lock"
"""In the store's folder: the engine's own, what was set aside, openings in vain, its tables' form, and who has it."""

MAX_ATTEMPTS = 3

_log = logging.getLogger(__name__)


def open_folder(folder: Path, memory_mb: int, dimensions: Sequence[str]) -> EmbeddedDatabase:
    """Opens a store, made anew if there is none, if it is damaged, or if its tables are of another version.

    Args:
        folder: The store's.
        memory_mb: Limit of the engine, in megabytes.
        dimensions: Are given a column of their own where they have none; those that have one keep it.

    Raises:
        UsageStoreDown: Another process has it.
        UsageStoreError: A store that was just made cannot be opened either.
        OSError: The folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _locked(folder)
    try:
        _prepare(folder)
        try:
            database = _opened(folder, memory_mb, dimensions, lock)
        except UsageStoreError as fault:
            _log.error("the usage store is damaged, is set aside and fed anew: %s", fault)
            begin_anew(folder, keep=True)
            database = _opened(folder, memory_mb, dimensions, lock)
    except BaseException:
        lock.close()
        raise
    (folder / FORMAT).write_text(current_form(), "utf-8")
    (folder / ATTEMPTS).unlink(missing_ok=True)
    return database


def _locked(folder: Path) -> IO[bytes]:
    """Locks the folder as long as the file is open. Raises `UsageStoreDown`."""
    lock = (folder / LOCK).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        lock.close()
        raise UsageStoreDown(f"another process has the usage store in {folder}") from fault
    return lock


def _prepare(folder: Path) -> None:
    """Takes away what cannot be used, and counts this attempt to open the rest."""
    form = folder / FORMAT
    if form.is_file() and form.read_text("utf-8") != current_form():
        _log.warning("the usage store was made by another version: it is fed anew")
        begin_anew(folder, keep=False)
    attempts = _attempts(folder)
    if attempts >= MAX_ATTEMPTS:
        _log.error("the usage store could not be opened %s times: it is set aside and fed anew", attempts)
        begin_anew(folder, keep=True)
    (folder / ATTEMPTS).write_text(str(_attempts(folder) + 1), "utf-8")


def _opened(folder: Path, memory_mb: int, dimensions: Sequence[str], lock: IO[bytes]) -> EmbeddedDatabase:
    database = EmbeddedDatabase(folder / ENGINE, memory_mb)
    try:
        schema.create(database, dimensions=dimensions)
        if missing := turns.lost(database):
            raise UsageDamaged(missing)
    except BaseException:
        database.close()
        raise
    database.closing = lock
    return database


def begin_anew(folder: Path, *, keep: bool) -> None:
    """Takes the engine's folder away; with `keep` it is set aside. The engine must not have it open."""
    aside = folder / DAMAGED
    shutil.rmtree(aside, ignore_errors=True)
    if (folder / ENGINE).exists():
        (folder / ENGINE).rename(aside)
    if not keep:
        shutil.rmtree(aside, ignore_errors=True)
    for name in (ATTEMPTS, FORMAT):
        (folder / name).unlink(missing_ok=True)


def _attempts(folder: Path) -> int:
    try:
        return int((folder / ATTEMPTS).read_text("utf-8"))
    except (OSError, ValueError):
        return 0


def current_form() -> str:
    """Returns what tells this version's tables from others'."""
    return hashlib.sha256("".join(schema.definitions(schema.Placement())).encode()).hexdigest()
