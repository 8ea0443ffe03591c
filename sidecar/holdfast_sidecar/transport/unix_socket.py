"""Puts the portable transport's Unix socket in place such that nobody can reach it before it listens.

grpc core binds and listens in one call and gives the file the umask's mode; so it binds inside a private
folder, and the file is given its mode there and renamed to its place.
"""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path


class SocketFile:
    """A listening socket's file, removed by `remove` unless somebody has replaced it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = _identity(path)

    def remove(self) -> None:
        """Removes the file; idempotent."""
        if _identity(self._path) == self._identity:
            self._path.unlink(missing_ok=True)


def place_socket(path: Path, bind: Callable[[Path], object]) -> SocketFile:
    """Lets `bind` listen on a hidden path, then shows it at `path`, for this process's own user alone.

    Raises:
        OSError: `path` is taken by a living server or is no socket, or its folder cannot be written to.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _ensure_free(path)
    private = path.parent / f".hf{os.getpid()}"
    private.mkdir(mode=0o700)
    hidden = private / "s"
    try:
        bind(hidden)
        hidden.chmod(0o600)
        hidden.rename(path)
    finally:
        hidden.unlink(missing_ok=True)
        private.rmdir()
    return SocketFile(path)


def _ensure_free(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"{path} exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise OSError(f"another server listens on {path}")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
