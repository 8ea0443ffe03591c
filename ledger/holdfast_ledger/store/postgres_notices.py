"""What replicas tell each other: the keys of pools that changed, by LISTEN and NOTIFY on a connection of their own.

Not in the transaction that changed them: a transaction with a NOTIFY commits under one lock of the whole server, and
postings would queue for it. So a notice is lost when its replica dies in the instant after a commit, or its connection
does. Hence `heard(None)`, any pool may have changed, after each reconnect and every `REPEAT_S`.
"""

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial

import psycopg

from holdfast_ledger.store.interface import StoreError
from holdfast_ledger.store.postgres_session import Connection, closing_on_fault, connect

CHANNEL = "holdfast_pools"

MAX_NOTICE_BYTES = 7_900
"""PostgreSQL refuses 8,000."""

REPEAT_S = 60
"""After so long everything is told again: what a replica that died had no time to announce."""

RETRY_S = 0.5
"""Pause before another attempt to connect; the writer's own attempts tell the operator."""

Heard = Callable[[frozenset[int] | None], None]

_log = logging.getLogger(__name__)


class Announcer:
    """Announces and listens on a thread of its own, once `listen` is called; before that announcements go nowhere."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._waiting: set[int] = set()
        self._heard_keys: set[int] = set()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._wake_end: socket.socket | None = None

    def announce(self, pool_keys: Collection[int]) -> None:
        """Queues keys. Any thread."""
        if self._thread is None:
            return
        with self._lock:
            first = not self._waiting
            self._waiting.update(pool_keys)
        if first:
            self._wake()

    def listen(self, heard: Heard) -> Callable[[], None]:
        """Starts; returns what ends it."""
        assert self._thread is None
        self._wake_end, woken_end = socket.socketpair()
        self._thread = threading.Thread(target=self._run, args=(heard, woken_end), name="ledger-notices", daemon=True)
        self._thread.start()
        return self.close

    def close(self) -> None:
        """Ends it. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._ending.set()
            self._wake()
            thread.join()

    def _wake(self) -> None:
        assert self._wake_end is not None
        with contextlib.suppress(OSError):  # the buffer is full, so it is awake; or it has ended
            self._wake_end.send(b"x", socket.MSG_DONTWAIT)

    def _run(self, heard: Heard, woken_end: socket.socket) -> None:
        assert self._wake_end is not None
        with self._wake_end, woken_end:
            self._keep_connected(heard, woken_end)

    def _keep_connected(self, heard: Heard, woken_end: socket.socket) -> None:
        while not self._ending.is_set():
            try:
                connection = connect(self._url)
                connection.add_notify_handler(partial(self._take, connection))
                with closing_on_fault(connection):
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._serve(connection, heard, woken_end)
            except StoreError as fault:
                _log.info("no notices from other replicas for now: %s", fault)
                self._ending.wait(RETRY_S)

    def _serve(self, connection: Connection, heard: Heard, woken_end: socket.socket) -> None:
        """Announces and hears until it ends. Raises psycopg.Error when the connection is lost."""
        heard(None)
        repeat_at_s = time.monotonic() + REPEAT_S
        # Not `select`, which takes no descriptor above 1023: each sidecar's stream has one.
        watched = select.poll()
        watched.register(connection.fileno(), select.POLLIN)
        watched.register(woken_end.fileno(), select.POLLIN)
        while not self._ending.is_set():
            timeout_ms = max(0.0, repeat_at_s - time.monotonic()) * 1_000
            ready = [descriptor for descriptor, _ in watched.poll(timeout_ms)]
            if time.monotonic() >= repeat_at_s:
                heard(None)
                repeat_at_s = time.monotonic() + REPEAT_S
            if woken_end.fileno() in ready:
                woken_end.recv(4_096)
                self._announce(connection)
            connection.execute("")  # takes in what has come
            if self._heard_keys:
                heard(frozenset(self._heard_keys))
                self._heard_keys.clear()
        connection.close()

    def _announce(self, connection: Connection) -> None:
        with self._lock:
            keys, self._waiting = self._waiting, set()
        try:
            for notice in _notices(keys):
                connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, notice))
        except psycopg.Error:
            with self._lock:
                self._waiting |= keys
            self._wake()
            raise

    def _take(self, connection: Connection, notice: psycopg.Notify) -> None:
        """Takes what another replica announces; the server tells everyone, the one that announced included."""
        if notice.pid != connection.info.backend_pid:
            self._heard_keys.update(map(int, notice.payload.split()))


def _notices(keys: Collection[int]) -> Iterator[str]:
    """Writes keys into as few notices as they fit in."""
    notice = ""
    for key in sorted(keys):
        if len(notice) + 20 > MAX_NOTICE_BYTES:
            yield notice
            notice = ""
        notice += f"{key} "
    if notice:
        yield notice
